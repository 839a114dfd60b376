"""What the command line itself refuses has a code that says so: `malformed_request` is a service's."""

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from light_models import COLOURS, picture_of  # type: ignore[import-not-found]
from typer.testing import CliRunner

from service.cli.main import app, run
from service.cli.outputs import FORMATS
from service.cli.saying import allowed_lines
from service.errors import BadRequest, FieldProblem, ServiceError

CLASSES = ("--classes", "a,b")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the commands run: a picture, an earlier output, and files that are not what their names say."""
    (tmp_path / "a.png").write_bytes(picture_of(COLOURS["red"]))
    (tmp_path / "empty").mkdir()
    (tmp_path / "there.csv").write_text("something\n")
    (tmp_path / "list.json").write_text("{")
    (tmp_path / "rows.csv").write_text("path,name\na.png,a\n")
    (tmp_path / "words.txt").write_bytes(b"\xff")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("L2R2_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("L2R2_OFFLINE", "1")


def refused(arguments: Sequence[str]) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    return caught.value


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["classify", "none.png", *CLASSES], "file_missing"),
        (["classify", "empty", *CLASSES], "file_missing"),
        (["classify", "a.png", "--spec", "list.json"], "file_unreadable"),
        (["classify", "a.png", *CLASSES, "-o", "there.csv"], "output_refused"),
        (["classify", "a.png", *CLASSES, "-o", "there.csv", "--resume"], "output_refused"),
        (["evaluate", "--data", "rows.csv"], "file_unreadable"),
        (["evaluate", "--data", "empty"], "file_unreadable"),
        (["datasets", "import", "none.jsonl"], "file_missing"),
        (["datasets", "import", "rows.csv"], "file_unreadable"),
        (["datasets", "add", "pets", "--file", "words.txt"], "file_unreadable"),
        (["datasets", "add", "pets", "--classes", "a,b", "--examples", "empty"], "file_unreadable"),
        (["models", "verify", "unknown"], "invalid_fields"),
    ],
)
def test_files_and_names_that_are_wrong_here_are_no_malformed_requests(arguments: Sequence[str], code: str) -> None:
    assert refused(arguments).code == code


def test_a_package_that_is_missing_is_no_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)  # as if it were not installed
    found = refused(["demo"])
    assert (found.code, isinstance(found, BadRequest)) == ("package_missing", True)
    assert "pip install" in found.detail


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def said_of_a_bad_format(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO) -> str:
    monkeypatch.setattr(sys, "argv", ["l2r2", "classify", "a.png", *CLASSES, "-o", "new.txt", "--format", "bad"])
    monkeypatch.setattr(sys, "stderr", stderr)
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 1
    return stderr.getvalue()


def test_people_are_told_the_allowed_values(monkeypatch: pytest.MonkeyPatch) -> None:
    said = said_of_a_bad_format(monkeypatch, Terminal())
    assert "'bad' is not known" in said
    assert f"format may be: {', '.join(FORMATS)}" in said


def test_programs_are_told_the_allowed_values_as_in_a_problem_document(monkeypatch: pytest.MonkeyPatch) -> None:
    [line] = said_of_a_bad_format(monkeypatch, io.StringIO()).splitlines()
    expected = {"field": "format", "detail": "'bad' is not known", "allowed": list(FORMATS)}
    assert (json.loads(line)["code"], json.loads(line)["errors"]) == ("invalid_fields", [expected])


def test_what_the_detail_lists_is_not_said_twice() -> None:
    problems = [
        FieldProblem("a", "one of x, y", ("x", "y")),
        FieldProblem("b", "wrong"),
        FieldProblem("c", "?", ("z",)),
    ]
    assert allowed_lines("a: one of x, y; b: wrong; c: ?", problems) == ["c may be: z"]
