"""`l2r2 classify` of many pictures: what is meant, files of every format, kills and resuming, exit codes."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from cli.commands import events, run  # type: ignore[import-not-found]
from hypothesis import given
from hypothesis import strategies as st
from light_models import COLOURS, FAILS, picture_of  # type: ignore[import-not-found]
from misbehaving import ANSWER, answers, misbehaving, refuses, resets  # type: ignore[import-not-found]
from running import LightService  # type: ignore[import-not-found]
from typer.testing import CliRunner, Result

from service.cli.inputs import pictures_of
from service.cli.main import app
from service.cli.outputs import WHOLE, Output, format_of
from service.cli.outputs.lines import CsvLines, JsonLines
from service.cli.outputs.rows import COLUMNS, Failure, Record, flat
from service.client import Answer, NotFoundError
from service.errors import BadRequest, InvalidFields, ServiceError, StorageFull

pytestmark = pytest.mark.thorough

FAILURE = Failure("image_unsupported", 'no, "never",\n nothing')
DATASET = {
    "name": "pets",
    "status": "ready",
    "class_count": 1,
    "fusion": "average",
    "templates": ["{}"],
    "created_at": "2027-01-01T00:00:00Z",
    "updated_at": "2027-01-01T00:00:00Z",
    "classes": [{"name": "cat"}],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures, one of them in a folder of its own; one file that is none."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name, colour in (("b.png", "blue"), ("deep/g.PNG", "green"), ("r [1].png", "red")):
        (tmp_path / "in" / name).write_bytes(picture_of(COLOURS[colour]))
    (tmp_path / "in" / "notes.txt").touch()
    return tmp_path / "in"


def test_files_folders_and_patterns_are_meant(folder: Path) -> None:
    names = [str(folder / name) for name in ("b.png", "deep/g.PNG", "r [1].png")]
    assert pictures_of([str(folder)]) == names
    assert pictures_of([f"{folder}/**/*.*"]) == names
    assert pictures_of([str(folder / "r [1].png"), str(folder)]) == [names[2], names[0], names[1]]
    assert pictures_of([str(folder / "notes.txt")]) == [str(folder / "notes.txt")]
    for nothing in (folder / "*.webp", folder / "none.png"):
        with pytest.raises(BadRequest, match="is no file"):
            pictures_of([str(nothing)])


def asked(light: LightService, folder: Path, out: Path, *more: object) -> Result:
    return run(folder, "--server", light.url, "--dataset", "colours", "--out", out, *more)


def test_csv_has_a_row_for_each_picture(light: LightService, folder: Path, tmp_path: Path) -> None:
    result = asked(light, folder, tmp_path / "a.csv", "--top-k", 2)
    assert result.exit_code == 0, result.output
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = {Path(row["path"]).name: row for row in csv.DictReader(file)}
    assert {name: row["label"] for name, row in rows.items()} == {"b.png": "blue", "g.PNG": "green", "r [1].png": "red"}
    assert set(rows["b.png"]) == set(COLUMNS)
    assert json.loads(rows["b.png"]["scores"])[0][0] == "blue"
    assert (rows["b.png"]["x1"], rows["b.png"]["error"]) == ("32.0", "")
    assert events(result) == [
        {"event": "done", "answered": 3, "failed": 0, "before": 0, "file": str(tmp_path / "a.csv")}
    ]


def test_lines_hold_whole_answers(light: LightService, folder: Path, tmp_path: Path) -> None:
    assert asked(light, folder, tmp_path / "a.jsonl").exit_code == 0
    documents = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert {Answer.model_validate(document["answer"]).label for document in documents} == set(COLOURS)


def test_parquet_holds_the_same_rows_in_the_order_given(light: LightService, folder: Path, tmp_path: Path) -> None:
    from pyarrow import parquet

    assert asked(light, folder, tmp_path / "a.parquet").exit_code == 0
    rows = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert [row["label"] for row in rows] == ["blue", "green", "red"]
    assert list(rows[0]) == list(COLUMNS)
    assert rows[0]["confidence"] > 0.5


def test_coco_refers_to_all_classes_by_number(light: LightService, folder: Path, tmp_path: Path) -> None:
    (folder / "broken.png").write_bytes(b"no picture")
    assert asked(light, folder, tmp_path / "a.coco.json").exit_code == 3
    found = json.loads((tmp_path / "a.coco.json").read_text())
    assert [(row["id"], row["name"]) for row in found["categories"]] == [*enumerate(COLOURS, 1)]
    names = {row["id"]: Path(row["file_name"]).name for row in found["images"]}
    labels = {row["id"]: row["name"] for row in found["categories"]}
    shown = {names[row["image_id"]]: labels[row["category_id"]] for row in found["annotations"]}
    assert shown == {"b.png": "blue", "g.PNG": "green", "r [1].png": "red"}
    first = found["annotations"][0]
    assert (first["bbox"], first["area"], first["iscrowd"], first["segmentation"]) == ([0, 0, 32, 32], 1024, 0, [])
    assert len({row["id"] for row in found["annotations"]}) == 3


def test_label_studio_gets_tasks_with_predictions(light: LightService, folder: Path, tmp_path: Path) -> None:
    assert asked(light, folder, tmp_path / "a.json", "--format", "label-studio").exit_code == 0
    tasks = json.loads((tmp_path / "a.json").read_text())
    assert [task["data"]["path"] for task in tasks] == pictures_of([str(folder)])
    assert tasks[2]["data"]["image"] == f"/data/local-files/?d={folder}/r%20%5B1%5D.png"
    [prediction] = tasks[2]["predictions"]
    choice, rectangle = prediction["result"]
    assert (choice["type"], choice["value"]) == ("choices", {"choices": ["red"]})
    assert (rectangle["type"], rectangle["original_width"], rectangle["to_name"]) == ("rectanglelabels", 32, "image")
    value = {"x": 0, "y": 0, "width": 100, "height": 100, "rotation": 0, "rectanglelabels": ["red"]}
    assert rectangle["value"] == value
    ids = [part["id"] for task in tasks for one in task["predictions"] for part in one["result"]]
    assert len(set(ids)) == len(ids) == 6


def answer(**other: Any) -> Answer:
    return Answer.model_validate({**ANSWER, **other})


def several() -> list[Record]:
    """Two objects, one of them of no class; a picture whose box was not used; one of none of the classes; a failure."""
    verdict = {name: ANSWER[name] for name in ("confidence", "branch", "fusion", "reason", "scores", "branches")}
    objects = [{**verdict, "label": label, "box": ANSWER["box"]} for label in ("cat", None)]
    pictures = [answer(objects=objects), answer(fallback="low_score"), answer(label=None, abstained=True)]
    return [*(Record(f"{number}.png", one) for number, one in enumerate(pictures)), Record("x", None, FAILURE)]


def test_coco_marks_objects_and_whole_pictures() -> None:
    found = json.loads(WHOLE["coco"](several(), ["dog"]))
    assert [row["name"] for row in found["categories"]] == ["dog", "cat"]
    assert [row["file_name"] for row in found["images"]] == ["0.png", "1.png", "2.png"]
    assert [(row["image_id"], row["category_id"], row["bbox"]) for row in found["annotations"]] == [
        (1, 2, [1, 2, 2, 2]),
        (2, 2, [0, 0, 8, 8]),
    ]


def test_label_studio_draws_boxes_that_were_used() -> None:
    tasks = json.loads(WHOLE["label-studio"](several(), []))
    kinds = [[part["type"] for one in task.get("predictions", []) for part in one["result"]] for task in tasks]
    assert kinds == [["choices", "rectanglelabels"], ["choices"], [], []]
    assert tasks[0]["predictions"][0]["result"][1]["value"]["width"] == 25


def test_pictures_that_fail_are_named_and_asked_again_by_resume(
    light: LightService, folder: Path, tmp_path: Path
) -> None:
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "fails.png").write_bytes(picture_of(FAILS))
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        (folder / "broken.png").write_bytes(b"no picture")
        result = asked(light, folder, tmp_path / name)
        assert result.exit_code == 3
        failed = {Path(event["path"]).name: event["code"] for event in events(result) if event["event"] == "failed"}
        assert failed == {"broken.png": "image_unsupported", "fails.png": "model_failed"}
        (folder / "broken.png").write_bytes(picture_of(COLOURS["red"], 1))
        again = asked(light, folder, tmp_path / name, "--resume")
        assert again.exit_code == 3
        done = events(again)[-1]
        assert (done["answered"], done["failed"], done["before"]) == (1, 1, 3)


def test_a_file_that_is_there_is_neither_continued_nor_lost_unasked(
    light: LightService, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.csv"
    out.write_text("mine")
    for more, words in (((), "--overwrite"), (("--resume",), "cannot be continued")):
        with pytest.raises(BadRequest, match=words):
            asked(light, folder, out, *more)
        assert out.read_text() == "mine"
    assert asked(light, folder, out, "--overwrite").exit_code == 0
    whole = tmp_path / "b.parquet"
    whole.write_text("mine")
    with pytest.raises(BadRequest, match="cannot be continued without"):
        asked(light, folder, whole, "--resume")


def test_a_run_that_is_complete_is_asked_nothing(light: LightService, folder: Path, tmp_path: Path) -> None:
    for name in ("a.csv", "a.parquet"):
        assert asked(light, folder, tmp_path / name).exit_code == 0
        before = (tmp_path / name).read_bytes()
        again = asked(light, folder, tmp_path / name, "--resume")
        assert (again.exit_code, events(again)[-1]["before"]) == (0, 3)
        assert (tmp_path / name).read_bytes() == before


def test_classes_that_changed_since_are_told_of(light: LightService, folder: Path, tmp_path: Path) -> None:
    url = f"{light.url}/datasets/changing"
    assert httpx.put(url, json={"classes": ["red", "blue"]}, timeout=60).is_success
    arguments = ("--server", light.url, "--dataset", "changing", "--out", tmp_path / "a.csv")
    assert run(folder / "b.png", *arguments).exit_code == 0
    assert httpx.put(url, json={"classes": ["red", "green"]}, timeout=60).is_success
    result = run(folder, *arguments, "--resume")
    assert "changed" in [event["event"] for event in events(result)]


@pytest.mark.parametrize("name", ["a.csv", pytest.param("a.parquet", marks=pytest.mark.slow)])
def test_a_killed_run_is_continued_where_it_was(light: LightService, tmp_path: Path, name: str) -> None:
    """Nothing that was answered is asked again, but for what was under way."""
    count, concurrency = 100, 2
    (tmp_path / "in").mkdir()
    for number in range(count):
        (tmp_path / "in" / f"{number:03}.png").write_bytes(picture_of(COLOURS["red"], number))
    out = tmp_path / name
    growing = out if name == "a.csv" else tmp_path / "a.parquet.jsonl"
    words = ["classify", tmp_path / "in", "--server", light.url, "--dataset", "colours", "-o", out]
    command = [sys.executable, "-m", "service", *map(str, words), "--concurrency", str(concurrency)]
    before = classified(light)
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    while growing_lines(growing) < 20 and process.poll() is None:
        os.sched_yield()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    written = growing_lines(growing)
    assert 20 <= written < count
    with growing.open("ab") as file:
        file.write(b'"a row that was cut sh')
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stderr.splitlines()[-1])["answered"] < count - 15
    assert Counter(paths_in(out)) == Counter(str(tmp_path / "in" / f"{number:03}.png") for number in range(count))
    assert classified(light) - before <= count + 2 * concurrency


def growing_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def classified(light: LightService) -> int:
    httpx.get(f"{light.url}/livez")  # what was answered before is logged then
    return sum(1 for line in light.log_lines() if line.get("path") == "/classify")


def paths_in(out: Path) -> list[str]:
    if out.suffix == ".csv":
        with out.open(newline="", encoding="utf-8") as file:
            return [row["path"] for row in csv.DictReader(file)]
    from pyarrow import parquet

    return list(parquet.read_table(out)["path"].to_pylist())


def test_a_service_that_goes_away_ends_the_run_and_keeps_what_there_is(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}.png").write_bytes(b"x")
    arguments = [f"{tmp_path}/*.png", "--dataset", "pets", "--out", tmp_path / "a.jsonl", "--concurrency", 1]
    with misbehaving(answers(DATASET), answers(), answers(), resets) as server:
        result = run(*arguments, "--server", server.url)
    assert result.exit_code == 4
    [gone] = events(result)
    assert (gone["event"], gone["answered"]) == ("gone", 2)
    assert growing_lines(tmp_path / "a.jsonl") == 2
    with misbehaving(answers(DATASET), answers()) as server:
        assert run(*arguments, "--server", server.url, "--resume").exit_code == 0
    assert len(server.seen) == 1 + 7
    with misbehaving(answers(DATASET), refuses(404, "dataset_not_found")) as server, pytest.raises(NotFoundError):
        run(*arguments, "--server", server.url, "--overwrite")


def test_an_interrupted_run_ends_at_once_and_can_be_continued(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}.png").write_bytes(b"x")
    never = threading.Event()
    words = ["classify", tmp_path, "--dataset", "pets", "-o", tmp_path / "a.jsonl", "--concurrency", 1]
    third = refuses(422, "image_unreadable")  # which is told of after what was answered has been counted
    with misbehaving(answers(DATASET), answers(), answers(), third, lambda _: never.wait(60)) as server:
        command = [sys.executable, "-m", "service", *map(str, words), "--server", server.url]
        heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # also where whoever started the tests does not
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heeding)
        try:
            assert process.stderr is not None
            told = json.loads(process.stderr.readline())
            while len(server.seen) < 5 and process.poll() is None:
                os.sched_yield()
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=60)[1]
        finally:
            process.kill()
            never.set()
    assert process.returncode == 130
    assert told["event"] == "failed"
    assert (json.loads(said)["event"], json.loads(said)["answered"]) == ("interrupted", 2)
    assert growing_lines(tmp_path / "a.jsonl") == 3


def test_a_list_is_waited_for(light: LightService, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("\n".join(f"red {number}" for number in range(5000)))
    words = ["datasets", "add", "many", "--file", tmp_path / "names.txt", "--wait", "--url", light.url]
    result = CliRunner().invoke(app, [*map(str, words)], catch_exceptions=False)
    assert "many: ready, 5000 classes" in result.stdout


def test_answers_are_printed_as_lines_or_as_reports(light: LightService, folder: Path) -> None:
    arguments = (folder, "--server", light.url, "--dataset", "colours")
    lines = [json.loads(line) for line in run(*arguments, "--json").stdout.splitlines()]
    assert [line["answer"]["label"] for line in lines] == ["blue", "green", "red"]
    assert "deep/g.PNG → green" in run(*arguments).stdout.replace("\n", "")
    one = json.loads(run(folder / "b.png", *arguments[1:], "--json").stdout)
    assert one["label"] == "blue"
    (folder / "b.png").write_bytes(b"no picture")
    broken = run(folder / "b.png", *arguments[1:], "--json")
    assert (broken.exit_code, broken.stdout, events(broken)[0]["code"]) == (3, "", "image_unsupported")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dataset", "x"], "name it by --server"),
        (["--classes", "a,b", "--resume"], "out: is missing"),
        (["--classes", "a,b", "-o", "a.csv", "--resume", "--overwrite"], "give one of them"),
        (["--classes", "a,b", "-o", "a.txt"], "tells no format"),
        (["--classes", "a,b", "-o", "blur=0.1"], "--set name=value"),
        (["--classes", "a,b", "-o", "a.csv", "--format", "xml"], "'xml' is not known"),
        (["--server", "http://x", "--dataset", "a", "--classes", "a,b"], "has classes of its own"),
        (["--server", "http://x"], "either --classes or --spec"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_any_work(
    folder: Path, arguments: Sequence[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(ServiceError, match=words):
        run(folder / "b.png", *arguments)
    assert not (folder / "a.csv").exists()


def test_errors_are_lines_of_json_where_nobody_reads_them(tmp_path: Path) -> None:
    for arguments, code, status in (
        (["classify", "none.png"], "file_missing", 1),
        (["classify"], "wrong_usage", 2),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "service", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == status
        [line] = done.stderr.splitlines()
        assert (json.loads(line)["event"], json.loads(line)["code"]) == ("error", code)


PATHS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@given(
    paths=st.lists(PATHS, unique=True, min_size=1, max_size=6),
    failed=st.sets(st.integers(0, 5)),
    cut=st.integers(1, 200),
)
@pytest.mark.parametrize("kind", [CsvLines, JsonLines])
def test_whatever_was_cut_off_all_whole_answers_are_found(
    tmp_path_factory: pytest.TempPathFactory, kind: type[CsvLines], paths: list[str], failed: set[int], cut: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "a"
    answer = Answer.model_validate(ANSWER)
    records = [
        Record(name, None, FAILURE) if place in failed else Record(name, answer) for place, name in enumerate(paths)
    ]
    lines = kind(path)
    whole = 0
    for record in records:
        lines.add(record)
    lines.close()
    content = path.read_bytes()[:-cut]
    path.write_bytes(content)
    ends, at = [], len(kind.head)
    for record in records:
        at += len(kind.line(record))
        ends.append(at)
    whole = sum(end <= len(content) for end in ends)
    found = kind.mended(path, "")
    assert found.answered == {record.path for record in records[:whole] if record.answer}
    assert path.read_bytes() == kind.head + b"".join(kind.line(one) for one in records[:whole] if one.answer)


def test_the_scores_of_thousands_of_classes_are_continued(tmp_path: Path) -> None:
    scores = [{"label": f"class number {number}", "confidence": 0.123456789} for number in range(4000)]
    output = Output.opened(tmp_path / "a.csv", "csv", resume=False, overwrite=False)
    output.add(Record("a.png", answer(scores=scores)))
    output.close()
    assert (tmp_path / "a.csv").stat().st_size > 131_072
    assert Output.opened(tmp_path / "a.csv", "csv", resume=True, overwrite=False).answered == {"a.png"}


def test_a_file_that_is_no_csv_cannot_be_continued(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CsvLines.head + b'"a"b,"c"\r\n')
    with pytest.raises(BadRequest, match="cannot be continued"):
        Output.opened(tmp_path / "a.csv", "csv", resume=True, overwrite=False)


def test_names_that_are_no_text_are_kept(tmp_path: Path) -> None:
    record = Record(os.fsdecode(b"caf\xe9.png"), Answer.model_validate(ANSWER))
    for form in ("csv", "jsonl", "parquet", "coco", "label-studio"):
        out = tmp_path / form
        output = Output.opened(out, form, resume=False, overwrite=False)
        output.add(record)
        output.close()
        output.finish(["cat"], [record.path])
        assert Output.opened(out, form, resume=True, overwrite=False).answered == {record.path}
    assert flat(record)["label"] == "cat"


def test_a_full_disk_is_said_as_what_it_is() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    lines = JsonLines(full)
    with pytest.raises(StorageFull, match="No space left"):
        lines.add(Record("a", Answer.model_validate(ANSWER)))
    lines.close()


def test_a_format_is_told_by_the_end_of_a_name() -> None:
    names = {"A.CSV": "csv", "b.ndjson": "jsonl", "c.coco.json": "coco", "d.label-studio.json": "label-studio"}
    assert {name: format_of(Path(name), None) for name in names} == names
    assert format_of(Path("x.json"), "coco") == "coco"
    with pytest.raises(InvalidFields, match="tells no format"):
        format_of(Path("x.json"), None)
