"""A damaged database: it is not started with and not answered from, and what can be read of it is saved."""

import json
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hash_encoder import HashEncoder

from service.datasets.backup import Backup, restore
from service.datasets.database import Database
from service.datasets.fingerprints import version_of
from service.datasets.registry import Registry
from service.datasets.saved import restorable
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import DatabaseCorrupt, SettingsError

Start = Callable[..., Registry]
COUNT = 60


def spec_of(name: str) -> DatasetSpec:
    return DatasetSpec(tuple(ClassEntry(f"{name} {number}") for number in range(4)), templates=(f"{name * 90} {{}}",))


NAMES = [f"list-{number}" for number in range(COUNT)]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a database of 60 datasets."""
    folder = tmp_path_factory.mktemp("sound")
    with closing(Database(None, folder)) as database:
        database.migrate()
        rows = [json.dumps(line) for line in [{"backup": "l2r2", "format": 1}, *map(saved, NAMES), END]]
        for found in restorable(rows):
            restore(database, found, replace=False)
    return (folder / "l2r2.sqlite3").read_bytes()


END = {"datasets": COUNT, "unreadable": []}


def saved(name: str) -> dict[str, object]:
    from service.datasets.fingerprints import to_json

    spec = spec_of(name)
    version = {"version": version_of(spec), "content": json.loads(to_json(spec)), "kept": None}
    times = dict.fromkeys(("created_at", "updated_at"), "2026-01-31T12:00:00Z")
    return {"dataset": name, **times, "current": version["version"], "pending": None, "versions": [version]}


def overwritten(data: bytes) -> bytes:
    start, size = len(data) // 2, len(data) // 8
    return data[:start] + random.Random(1).randbytes(size) + data[start + size :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "overwritten": overwritten,
    "truncated": lambda data: data[: len(data) // 2],
    "garbage": lambda data: random.Random(2).randbytes(len(data)),
    "text": lambda data: b"this is no database" * 100,
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_start_with_it_is_refused_with_the_way_out(tmp_path: Path, sound: bytes, kind: str) -> None:
    path = tmp_path / "l2r2.sqlite3"
    path.write_bytes(DAMAGES[kind](sound))
    with closing(Database(None, tmp_path)) as database, pytest.raises(DatabaseCorrupt) as refused:
        database.migrate()
    for word in (f"{path} is damaged", "l2r2 datasets export", f"{path}-wal", "l2r2 datasets import"):
        assert word in refused.value.detail
    assert path.read_bytes() == DAMAGES[kind](sound)  # nothing was made worse


@pytest.mark.parametrize("kind", DAMAGES)
def test_whoever_finds_it_while_running_says_so(tmp_path: Path, sound: bytes, kind: str) -> None:
    path = tmp_path / "l2r2.sqlite3"
    path.write_bytes(DAMAGES[kind](sound))
    with closing(Database(None, tmp_path)) as database:
        with pytest.raises(DatabaseCorrupt), database.reading() as connection:
            connection.exec_driver_sql("SELECT sum(length(spec)) FROM dataset_versions").all()
        assert database.damage is not None
        assert f"{path} is damaged" in database.damage


@pytest.mark.parametrize("damage", [overwritten, lambda data: data[: len(data) * 19 // 20]])
def test_what_can_be_read_is_saved_and_restored(tmp_path: Path, sound: bytes, damage: Callable[[bytes], bytes]) -> None:
    (tmp_path / "l2r2.sqlite3").write_bytes(damage(sound))
    with closing(Database(None, tmp_path, salvage=True)) as damaged:
        backup = Backup(damaged)
        lines = list(backup.lines())
    assert backup.unreadable
    with closing(Database(None, tmp_path / "new")) as database:
        database.migrate()
        names = []
        for found in restorable(lines):
            assert restore(database, found, replace=False)
            assert found.saved.current == version_of(spec_of(found.saved.dataset))
            names.append(found.saved.dataset)
        assert backup.count == len(names) > 0
        assert set(names) < set(NAMES)
        assert len(list(Backup(database).lines())) == len(names) + 2


def test_an_empty_file_is_a_new_database(start: Start, tmp_path: Path) -> None:
    (tmp_path / "l2r2.sqlite3").touch()
    assert start(HashEncoder(), at=f"sqlite:///{tmp_path / 'l2r2.sqlite3'}").infos() == []


def test_garbage_in_place_of_the_log_is_left_out(start: Start, tmp_path: Path, sound: bytes) -> None:
    (tmp_path / "l2r2.sqlite3").write_bytes(sound)
    (tmp_path / "l2r2.sqlite3-wal").write_bytes(random.Random(3).randbytes(100_000))
    registry = start(HashEncoder(), at=f"sqlite:///{tmp_path / 'l2r2.sqlite3'}", background=1000)
    assert {info.name for info in registry.infos()} == set(NAMES)
    assert registry.lookup(NAMES[7]).spec == spec_of(NAMES[7])


def change(url: str, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database, database:
        assert database.execute(statement, values).rowcount == 1


@pytest.mark.parametrize(
    ("old", "new"), [('"cat"', '"car"'), ("A photo of", "A phono of"), ('{"', '{{"'), ("A photo", "A \udcff photo")]
)
def test_content_that_is_not_what_was_stored_is_not_answered_with(start: Start, url: str, old: str, new: str) -> None:
    pets = DatasetSpec((ClassEntry("cat"), ClassEntry("dog")))
    registry = start(HashEncoder())
    registry.register("pets", pets, replace=False)
    registry.close()
    change(
        url,
        "UPDATE dataset_versions SET spec = replace(spec, ?, CAST(? AS TEXT))",
        old,
        new.encode(errors="surrogateescape"),
    )
    with pytest.raises(DatabaseCorrupt):
        start(HashEncoder())


def test_a_version_that_was_lost_is_no_endless_search(start: Start, url: str) -> None:
    registry = start(HashEncoder())
    registry.register("pets", spec_of("pets"), replace=False)
    registry.register("more", spec_of("more"), replace=False)
    change(url, "DELETE FROM dataset_versions WHERE version = ?", version_of(spec_of("pets")))
    with pytest.raises(DatabaseCorrupt):
        registry.lookup("pets")
    with closing(Database(url, salvage=True)) as damaged:
        backup = Backup(damaged)
        assert len(list(backup.lines())) == 3
    assert backup.unreadable == ["the dataset pets"]


def test_a_picture_that_is_not_what_was_stored_is_not_looked_at(start: Start, url: str) -> None:
    import hashlib

    digest = hashlib.sha256(b"a cat").hexdigest()
    pictured = DatasetSpec((ClassEntry("cat", (), (digest,)), ClassEntry("dog")))
    registry = start(HashEncoder(), background=1000)
    registry.register("pets", pictured, replace=False, pictures={digest: b"a cat"})
    registry.close()
    change(url, "UPDATE exemplars SET data = ?", b"a cow")
    with pytest.raises(DatabaseCorrupt):
        start(HashEncoder(), localizer="l2")  # which looks at it anew


def test_there_is_nothing_to_save_where_no_database_is(tmp_path: Path) -> None:
    with closing(Database(None, tmp_path)) as database, pytest.raises(SettingsError, match="there is no database at"):
        list(Backup(database).lines())
    assert list(tmp_path.iterdir()) == []
