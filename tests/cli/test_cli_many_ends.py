"""How `l2r2 classify` of many pictures ends where the service or the file does not do its part."""

import json
import os
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cli.commands import events, run  # type: ignore[import-not-found]
from misbehaving import ANSWER, answers, misbehaving, refuses, send  # type: ignore[import-not-found]

from service.cli.outputs import Output
from service.cli.outputs.rows import Record
from service.client import Answer, UnauthorizedError
from service.errors import BadRequest

LIST = ("--classes", "cat,dog", "--concurrency", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(4):
        (tmp_path / "in" / f"{number}.png").write_bytes(b"x")
    return tmp_path / "in"


def bad_gateway(handler: BaseHTTPRequestHandler) -> None:
    """A proxy's, whose service is gone; the wait is longer than anybody's patience."""
    send(handler, 502, "text/html", b"<h1>Bad Gateway</h1>", {"Retry-After": "200"})


def test_a_service_that_is_gone_behind_a_proxy_ends_the_run(folder: Path, tmp_path: Path) -> None:
    with misbehaving(answers(), bad_gateway) as server:
        result = run(folder, *LIST, "--server", server.url, "-o", tmp_path / "a.csv")
    assert result.exit_code == 4
    [gone] = events(result)
    assert (gone["event"], gone["answered"]) == ("gone", 1)


@pytest.mark.parametrize("form", ["csv", "jsonl", "coco"])
def test_a_file_that_is_being_written_is_neither_continued_nor_begun_anew(tmp_path: Path, form: str) -> None:
    place, answer = tmp_path / "a", Answer.model_validate(ANSWER)
    first = Output.opened(place, form, resume=False, overwrite=False)
    first.add(Record("1.png", answer))
    for resume in (True, False):
        with pytest.raises(BadRequest, match="being written by another run"):
            Output.opened(place, form, resume=resume, overwrite=not resume)
    first.add(Record("2.png", answer))
    first.close()
    second = Output.opened(place, form, resume=True, overwrite=False)
    assert second.answered == {"1.png", "2.png"}


def test_of_two_that_began_together_one_writes(tmp_path: Path) -> None:
    answer = Answer.model_validate(ANSWER)
    begun = Output.opened(tmp_path / "a.csv", "csv", resume=False, overwrite=False)
    begun.add(Record("1.png", answer))
    begun.close()
    first, second = (Output.opened(tmp_path / "a.csv", "csv", resume=True, overwrite=False) for _ in range(2))
    first.add(Record("2.png", answer))
    with pytest.raises(BadRequest, match="being written by another run"):
        second.add(Record("2.png", answer))
    first.close()
    assert Output.opened(tmp_path / "a.csv", "csv", resume=True, overwrite=False).answered == {"1.png", "2.png"}


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "coco"])
def test_a_link_stays_one_and_what_it_leads_to_is_written(tmp_path: Path, form: str) -> None:
    """Begun, continued and begun anew; relative and by way of another link."""
    answer = Answer.model_validate(ANSWER)
    (tmp_path / "disk").mkdir()
    target, link = tmp_path / "disk" / "kept", tmp_path / "a"
    (tmp_path / "disk" / "newest").symlink_to("kept")
    link.symlink_to("disk/newest")
    for name, resume, overwrite in (("1.png", False, False), ("2.png", True, False), ("3.png", False, True)):
        output = Output.opened(link, form, resume=resume, overwrite=overwrite)
        output.add(Record(name, answer))
        output.close()
        output.finish(["cat"], ["1.png", "2.png", "3.png"])
        assert link.is_symlink()
        assert not target.is_symlink()
        assert name.encode() in target.read_bytes()
        assert (b"1.png" in target.read_bytes()) is not overwrite
    assert [path.name for path in (tmp_path / "disk").iterdir() if path.name.endswith(".part")] == []


def test_a_key_that_is_revoked_meanwhile_ends_the_run_and_keeps_what_there_is(folder: Path, tmp_path: Path) -> None:
    with misbehaving(answers(), answers(), refuses(401, "unauthorized")) as server:
        result = run(folder, *LIST, "--server", server.url, "-o", tmp_path / "a.csv")
        assert result.exit_code == 1
        [error] = events(result)
        assert (error["event"], error["code"], error["answered"]) == ("error", "unauthorized", 2)
        assert "L2R2_KEY" in error["detail"]
        with pytest.raises(UnauthorizedError):
            run(folder, *LIST, "--server", server.url, "-o", tmp_path / "a.csv", "--resume")


def test_classes_that_changed_are_told_of_by_the_first_answer(folder: Path, tmp_path: Path) -> None:
    arguments = (folder, *LIST, "-o", tmp_path / "a.csv")
    with misbehaving(answers(), refuses(500, "model_failed")) as server:
        assert run(*arguments, "--server", server.url).exit_code == 3
    newer = answers({**ANSWER, "dataset_version": "newer"})
    with misbehaving(refuses(500, "model_failed"), newer) as server:
        said = events(run(*arguments, "--server", server.url, "--resume"))
    assert [event["event"] for event in said] == ["failed", "changed", "done"]
    assert (said[1]["before"], said[1]["now"]) == ("abc", "newer")


def test_names_that_are_no_text_are_printed(folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    (folder / name).write_bytes(b"x")
    for more in ((), ("--json",)):
        with misbehaving(answers()) as server:
            result = run(folder, *LIST, "--server", server.url, *more)
        assert (result.exit_code, len(server.seen)) == (0, 5)
    paths = [json.loads(line)["path"] for line in result.stdout.splitlines()]
    assert str(folder / name) in paths


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("other", [("--classes", "cat,fox"), ("--classes", "cat,dog", "--set", "box_margin=0.1")])
def test_answers_to_another_question_are_not_continued(
    folder: Path, tmp_path: Path, form: str, other: tuple[str, ...]
) -> None:
    out = tmp_path / f"a.{form}"
    with misbehaving(answers()) as server:
        asking = ("--server", server.url, "--concurrency", 1, "-o", out)
        assert run(folder / "0.png", "--classes", "cat,dog", *asking).exit_code == 0
        before = out.read_bytes()
        with pytest.raises(BadRequest, match="another question"):
            run(folder, *other, *asking, "--resume")
        assert out.read_bytes() == before
        assert len(server.seen) == 1
        assert run(folder, "--classes", "cat,dog", *asking, "--resume").exit_code == 0
        assert len(server.seen) == 4
