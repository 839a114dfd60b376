"""`l2r2 datasets export` and `import`."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.main import app
from service.datasets.backup import Backup, restore
from service.datasets.database import Database
from service.datasets.fingerprints import to_json, version_of
from service.datasets.saved import HEADER, restorable
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import BadRequest, DatabaseCorrupt, DatasetConflict, OutputRefused, SettingsError

PETS = DatasetSpec((ClassEntry("cat"), ClassEntry("döġ")))
COWS = DatasetSpec((ClassEntry("cow"),))


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["datasets", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def keep(folder: Path, name: str, spec: DatasetSpec, *, replace: bool = False) -> None:
    version = {"version": version_of(spec), "content": json.loads(to_json(spec)), "kept": None}
    times = dict.fromkeys(("created_at", "updated_at"), "2026-01-31T12:00:00Z")
    line = {"dataset": name, **times, "current": version["version"], "pending": None, "versions": [version]}
    with closing(Database(None, folder)) as database:
        database.migrate()
        [found] = restorable(map(json.dumps, (HEADER, line, {"datasets": 1, "unreadable": []})))
        restore(database, found, replace=replace)


def lines(folder: Path) -> list[str]:
    with closing(Database(None, folder, salvage=True)) as database:
        return list(Backup(database).lines())


def test_a_backup_is_written_and_restored(tmp_path: Path) -> None:
    one, other, file = tmp_path / "one", tmp_path / "other", tmp_path / "saved.jsonl"
    keep(one, "pets", PETS)
    assert "1 datasets saved" in invoke("export", "--out", str(file), "--data-dir", str(one))
    assert file.read_text(encoding="utf-8").splitlines() == lines(one)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "saved.jsonl"]
    assert "pets: restored" in invoke("import", str(file), "--data-dir", str(other))
    assert "pets: there already" in invoke("import", str(file), "--data-dir", str(other))
    assert lines(other) == lines(one)


def test_an_earlier_backup_is_only_overwritten_where_that_is_asked_for(tmp_path: Path) -> None:
    keep(tmp_path / "one", "pets", PETS)
    file = tmp_path / "saved.jsonl"
    file.write_text("an earlier backup", encoding="utf-8")
    again = ("export", "--out", str(file), "--data-dir", str(tmp_path / "one"))
    with pytest.raises(OutputRefused, match=r"saved\.jsonl is there; --overwrite"):
        invoke(*again)
    assert file.read_text(encoding="utf-8") == "an earlier backup"
    invoke(*again, "--overwrite")
    assert file.read_text(encoding="utf-8").splitlines() == lines(tmp_path / "one")


def test_standard_output_and_input_do_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path / "one", "pets", PETS)
    monkeypatch.setenv("L2R2_DATABASE_URL", f"sqlite:///{tmp_path / 'one' / 'l2r2.sqlite3'}")
    result = CliRunner().invoke(app, ["datasets", "export"], catch_exceptions=False)
    assert result.stdout.splitlines() == lines(tmp_path / "one")
    monkeypatch.setenv("L2R2_DATABASE_URL", f"sqlite:///{tmp_path / 'two' / 'l2r2.sqlite3'}")
    CliRunner().invoke(app, ["datasets", "import", "-"], input=result.stdout, catch_exceptions=False)
    assert lines(tmp_path / "two") == lines(tmp_path / "one")


def test_other_content_is_left_alone(tmp_path: Path) -> None:
    keep(tmp_path / "one", "pets", PETS)
    keep(tmp_path / "two", "pets", COWS)
    file = tmp_path / "saved.jsonl"
    invoke("export", "--out", str(file), "--data-dir", str(tmp_path / "one"))
    before = lines(tmp_path / "two")
    with pytest.raises(DatasetConflict, match="1 datasets have other content"):
        invoke("import", str(file), "--data-dir", str(tmp_path / "two"))
    assert lines(tmp_path / "two") == before
    invoke("import", str(file), "--replace", "--data-dir", str(tmp_path / "two"))
    assert lines(tmp_path / "two") == lines(tmp_path / "one")


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "l2r2.sqlite3").write_bytes(b"x" * 5000)
    file = tmp_path / "saved.jsonl"
    with pytest.raises(SettingsError, match="there is no database"):
        invoke("export", "--out", str(file), "--data-dir", str(tmp_path / "none"))
    assert not file.exists()
    with pytest.raises(DatabaseCorrupt, match="the list of datasets"):
        invoke("export", "--out", str(file), "--data-dir", str(tmp_path / "bad"))
    keep(tmp_path / "one", "pets", PETS)
    with pytest.raises(BadRequest, match="cannot be written"):
        invoke("export", "--out", str(tmp_path / "no" / "folder.jsonl"), "--data-dir", str(tmp_path / "one"))
    (tmp_path / "no.jsonl").write_bytes(b"\xff\xfe nothing")
    with pytest.raises(BadRequest, match="line 1 is not JSON"):
        invoke("import", str(tmp_path / "no.jsonl"), "--data-dir", str(tmp_path / "one"))
