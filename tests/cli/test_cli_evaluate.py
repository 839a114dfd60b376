"""`l2r2 evaluate` on real photographs and models."""

import csv
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from altered import LABELS, variants  # type: ignore[import-not-found]
from running import RunningService  # type: ignore[import-not-found]
from typer.testing import CliRunner, Result

from service.cli.main import app
from service.errors import BadRequest, DatasetNotFound, InvalidFields, ServiceError
from service.recognition.fusion import FUSIONS
from service.recognition.views import VIEWS

pytestmark = pytest.mark.thorough

USABLE = [name for name, fusion in FUSIONS.items() if fusion.needs is None]


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, models_cache: Path) -> None:
    monkeypatch.setenv("L2R2_MODELS_CACHE", str(models_cache))
    monkeypatch.setenv("L2R2_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "250")


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory, photographs: Mapping[str, bytes]) -> Path:
    """Folders of parts, in them folders of labels; one file is no picture."""
    folder = tmp_path_factory.mktemp("evaluated") / "tree"
    for label, name, data in variants(photographs, 2)[:5]:
        path = folder / name.split("-")[1] / label / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "mirrored" / "cat" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    return folder


@pytest.fixture(scope="session")
def out(tree: Path) -> Path:
    return tree.parent / "out"


@pytest.fixture(scope="session")
def whole(tree: Path, out: Path, models_cache: Path) -> Result:
    """Every view, and the fusions of two combinations of them."""
    combine = ("--combine", "full+fg", "--combine", "fg_mask + full")
    arguments = ["--data", tree, "--out", out, "--branches", "all", *combine, "--resamples", 50]
    with pytest.MonkeyPatch.context() as environment:
        settings_of = {"L2R2_MODELS_CACHE": str(models_cache), "L2R2_OFFLINE": "1", "COLUMNS": "250"}
        for name, value in settings_of.items():
            environment.setenv(name, value)
        return run(*arguments)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_view_and_every_fusion_stands_side_by_side(whole: Result, out: Path) -> None:
    with (out / "report.csv").open(encoding="utf-8") as file:
        methods = {row["method"] for row in csv.DictReader(file)}
    assert methods == {*VIEWS, *USABLE, *(f"{name} full+fg_mask" for name in USABLE), "oracle"}
    for word in (*VIEWS, *USABLE, "oracle", "mirrored", "middle"):
        assert word in whole.stdout


def test_the_report_is_written_in_all_its_forms(whole: Result, out: Path) -> None:
    names = {"report.html", "report.json", "report.csv", "answers.csv", "looks.sqlite"}
    assert {path.name for path in out.iterdir()} == names
    assert "report.html" in whole.stdout
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert sorted(part["name"] for part in report["parts"]) == ["middle", "mirrored"]
    assert report["about"]["unreadable pictures"] == "1"
    assert report["about"]["classes"] == "labels of the pictures (4)"
    assert (report["about"]["localizer"], report["about"]["encoder"]) == ("u2netp", "embedded")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "max_confidence" in page
    shares = {row["method"]: float(row["micro"]) for row in rows_of(out / "report.csv") if row["scope"] == "together"}
    assert set(VIEWS) | set(USABLE) | {"oracle"} <= set(shares)
    assert shares["full"] >= 4 / 5
    assert shares["oracle"] >= max(shares["full"], shares["fg"])


def test_the_answers_of_every_picture_are_listed(whole: Result, out: Path) -> None:
    rows = rows_of(out / "answers.csv")
    assert sorted(row["label"] for row in rows) == sorted([*LABELS.values(), "cat"])
    assert {row["part"] for row in rows} == {"middle", "mirrored"}
    for row in rows:
        assert row["full_right"] == str(row["full"] == row["label"]).lower()
        assert 0 < float(row["fg_confidence"]) <= 1
    [cat] = [row for row in rows if row["path"].endswith("chelsea-mirrored.png")]
    assert (cat["full"], cat["max_confidence"], cat["fallback"]) == ("cat", "cat", "")


def test_pictures_that_cannot_be_read_are_listed(whole: Result, tree: Path) -> None:
    assert str(tree / "mirrored" / "cat" / "broken.jpg") in whole.stderr.replace("\n", "")


def test_what_was_seen_is_not_looked_at_again(whole: Result, tree: Path, out: Path, tmp_path: Path) -> None:
    """Also with other classes, for a part of the pictures, and with cascades of what was seen."""
    kept = out / "looks.sqlite"
    before = hashlib.sha256(kept.read_bytes()).hexdigest()
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"classes": [*LABELS.values(), "tower"], "fusion": "robust"}))
    arguments = ["--spec", spec, "--cache", kept, "--branches", "full, fg", "--fusions", "average, robust"]
    arguments += ["--parts", "mirrored", "--none-of-them", "middle", "--cascades", "0.5, 1", "--limit", 4]
    shown = run("--data", tree, *arguments, "--markdown", "--macro").stdout
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == before
    assert "| " in shown
    for method in ("full", "fg", "average", "robust", "cascade full 0.5", "cascade fg 1", "oracle"):
        assert method in shown
    assert "max_confidence" not in shown


def test_what_is_named_twice_counts_once_and_no_name_is_no_wish(
    whole: Result, tree: Path, out: Path, tmp_path: Path
) -> None:
    arguments = ["--data", tree, "--cache", out / "looks.sqlite", "--branches", "full,fg", "--resamples", 10]
    run(*arguments, "--fusions", "average,robust,average", "--cascades", "0.5,0.50", "--out", tmp_path / "twice")
    [row, *_] = rows_of(tmp_path / "twice" / "answers.csv")
    methods = [name.removesuffix("_right") for name in row if name.endswith("_right")]
    assert [name for name in methods if not name.startswith("cascade")] == ["full", "fg", "average", "robust", "oracle"]
    assert len(methods) == len(set(methods)) == 7
    about = json.loads((tmp_path / "twice" / "report.json").read_text(encoding="utf-8"))["about"]
    assert about["default fusion"] == "average instead of the dataset's max_confidence, which was not asked for"
    run(*arguments, "--fusions", "", "--out", tmp_path / "all")
    [row, *_] = rows_of(tmp_path / "all" / "answers.csv")
    assert set(USABLE) <= set(row)


def test_paths_of_the_wrong_kind_are_refused_before_any_picture_is_looked_at(tree: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for arguments, words in ((["--spec", tmp_path], "is a directory"), (["--out", file], "is a file")):
        refused = CliRunner().invoke(app, ["evaluate", "--data", str(tree), *map(str, arguments)])
        assert refused.exit_code == 2
        assert words in refused.output
    cache = tmp_path / "looks.sqlite"
    with pytest.raises(BadRequest, match="cannot be written to"):
        run("--data", tree, "--out", file / "below", "--cache", cache)
    assert not cache.exists()


def test_a_registered_dataset_is_measured_as_it_answers(
    whole: Result, tree: Path, out: Path, server: RunningService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """While the service that keeps it runs."""
    content = {"classes": [*LABELS.values(), "tower"], "branches": ["full", "fg_margin"], "fusion": "average"}
    assert httpx.put(f"{server.url}/datasets/measured", json=content, timeout=60).is_success
    monkeypatch.setenv("L2R2_DATA_DIR", str(server.log.parent))
    kept = out / "looks.sqlite"
    before = hashlib.sha256(kept.read_bytes()).hexdigest()
    run("--data", tree, "--dataset", "measured", "--cache", kept, "--out", tmp_path / "measured", "--resamples", 20)
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == before
    report = json.loads((tmp_path / "measured" / "report.json").read_text(encoding="utf-8"))
    assert report["about"]["classes"] == "measured (5)"
    assert report["default"] == "average"
    [row, *_] = rows_of(tmp_path / "measured" / "answers.csv")
    assert {"full", "fg_margin", "average", "oracle"} <= set(row)
    assert "fg" not in row
    files = {"image": Path(row["path"]).read_bytes()}
    answer = httpx.post(f"{server.url}/classify", files=files, data={"dataset": "measured"}, timeout=60).json()
    assert (row["average"], float(row["average_confidence"])) == (
        answer["label"],
        pytest.approx(answer["confidence"], abs=1e-4),
    )
    with pytest.raises(DatasetNotFound, match="nobody"):
        run("--data", tree, "--dataset", "nobody")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--benchmark", "unknown"], "hard_imagenet|imagenet"),
        (["--combine", "full+middle"], "'middle' is not known"),
        (["--combine", "full+full"], "twice"),
        (["--combine", ""], "not known"),
        (["--fusions", "average,mean"], "'mean' is not known"),
        (["--cascades", "often"], "'often' are not confidences"),
        (["--cascades", "0.5,2"], "not confidences"),
        (["--cascades", "nan"], "not confidences"),
        (["--set", "cascade=0.5"], "'cascade=0.5' changes nothing here"),
        (["--set", "objects=3"], "changes nothing here"),
        (["--set", "box_margin=5"], "box_margin"),
        (["--set", "box_margin"], "not name=value"),
        (["--parts", "nowhere"], "there is no part 'nowhere'; there are middle, mirrored"),
        (["--none-of-them", "nowhere"], "there is no part 'nowhere'"),
        (["--dataset", "x", "--benchmark", "imagenet"], "only one of"),
        (["--profile", "unknown", "--branches", "full"], "embedded"),
    ],
)
def test_bad_wishes_are_refused_before_any_model_is_loaded(tree: Path, arguments: list[str], words: str) -> None:
    with pytest.raises(ServiceError, match=words):
        run("--data", tree, *arguments)


def test_an_unknown_benchmark_is_refused_with_all_that_are_known(tree: Path) -> None:
    from service.evaluation.benchmarks.registry import BENCHMARKS

    with pytest.raises(InvalidFields) as caught:
        run("--data", tree, "--benchmark", "unknown")
    assert caught.value.problems[0].allowed == tuple(BENCHMARKS)


def test_labels_that_are_no_classes_and_pictures_that_are_none_are_refused(tree: Path, tmp_path: Path) -> None:
    spec = tmp_path / "names.json"
    spec.write_text('["cat", "dog"]')
    with pytest.raises(InvalidFields, match="'astronaut', 'cup of coffee', 'rocket' of the pictures' labels"):
        run("--data", tree, "--spec", spec)
    (tmp_path / "broken" / "cat").mkdir(parents=True)
    (tmp_path / "broken" / "cat" / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(BadRequest, match=r"no picture can be read, such as .*a\.jpg"):
        run("--data", tmp_path / "broken", "--spec", spec, "--cache", tmp_path / "broken.sqlite")
