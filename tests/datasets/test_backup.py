"""Backups: what is restored has the versions that it had."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hash_encoder import HashEncoder

from service.datasets.backup import Backup, restore
from service.datasets.database import Database
from service.datasets.fingerprints import version_of
from service.datasets.registry import Registry
from service.datasets.saved import restorable
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import BadRequest, DatasetBuilding, DatasetConflict, InvalidFields
from service.recognition.calibration import Calibration
from service.recognition.priors import Prior

Start = Callable[..., Registry]
DIGEST = hashlib.sha256(b"a cat").hexdigest()
PETS = DatasetSpec((ClassEntry("cat", (), (DIGEST,)), ClassEntry("Käfer 🐞")), box_threshold=0.1)
FITTED = replace(PETS, calibration=Calibration(("full",), temperatures={"full": (2.5,)}))
COWS = DatasetSpec((ClassEntry("cow"), ClassEntry("ox")), priors={"place": Prior("counts", {"alp": {"cow": 3.0}}, 0.1)})


@pytest.fixture
def registry(start: Start) -> Registry:
    started = start(HashEncoder(), background=1000)
    started.register("pets", PETS, replace=False, pictures={DIGEST: b"a cat"})
    note = {"pictures": 40, "é": [1, None]}
    started.add_version("pets", FITTED, base_version=version_of(PETS), note=note, activate=True)
    started.register("cows", COWS, replace=False)
    return started


def saved(url: str) -> list[str]:
    database = Database(url, salvage=True)
    backup = Backup(database)
    lines = list(backup.lines())
    database.close()
    assert backup.unreadable == []
    return lines


def restored(url: str, lines: Sequence[str], *, replace: bool = False) -> list[bool]:
    database = Database(url)
    database.migrate()
    try:
        return [restore(database, found, replace=replace) for found in restorable(lines)]
    finally:
        database.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[str]:
    return f"sqlite:///{tmp_path / 'other' / 'l2r2.sqlite3'}"


def test_everything_comes_back_as_it_was(start: Start, registry: Registry, url: str, other: str) -> None:
    lines = saved(url)
    assert restored(other, lines) == [True, True]
    assert saved(other) == lines
    again = start(HashEncoder(), at=other, background=1000)
    for name in ("pets", "cows"):
        assert again.versions(name) == registry.versions(name)
        assert again.info(name) == registry.info(name)
        for info in registry.versions(name):
            before, after = (each.lookup(name, info.version) for each in (registry, again))
            assert (before.version, before.spec) == (after.version, after.spec)
            assert before.prototypes.tolist() == after.prototypes.tolist()


def test_the_same_again_changes_nothing(registry: Registry, url: str, other: str) -> None:
    lines = saved(url)
    restored(other, lines)
    assert restored(other, lines) == [False, False]
    assert restored(other, lines, replace=True) == [False, False]
    assert restored(url, lines) == [False, False]
    assert saved(other) == saved(url) == lines


def test_other_content_is_left_alone_unless_it_is_to_be_replaced(start: Start, registry: Registry, url: str) -> None:
    lines = saved(url)
    registry.register("cows", replace(COWS, box_threshold=0.5), replace=True)
    registry.register("new", COWS, replace=False)
    with pytest.raises(DatasetConflict, match="'cows' has other content"):
        restored(url, lines)
    assert registry.lookup("cows").spec.box_threshold == 0.5
    restored(url, lines, replace=True)
    assert registry.lookup("cows").spec == COWS
    assert {info.name for info in registry.infos()} == {"pets", "cows", "new"}


def test_kept_versions_that_are_missing_are_added(registry: Registry, url: str) -> None:
    lines = saved(url)
    before = registry.versions("pets")
    registry.delete("pets")
    registry.register("pets", PETS, replace=False, pictures={DIGEST: b"a cat"})
    note = {"made": "again"}
    registry.add_version("pets", FITTED, base_version=version_of(PETS), note=note, activate=True)
    database = Database(url)
    with database.writing() as connection:
        connection.exec_driver_sql(f"DELETE FROM kept_versions WHERE version = '{version_of(PETS)}'")
    database.close()
    assert restored(url, lines) == [False, True]
    found = {info.version: info for info in registry.versions("pets")}
    assert set(found) == {info.version for info in before}
    assert found[version_of(FITTED)].note == note  # what was there is left as it was


def test_a_running_service_answers_with_what_is_restored(
    start: Start, registry: Registry, url: str, other: str
) -> None:
    running = start(HashEncoder(), at=other)
    restored(other, saved(url))
    assert running.info("pets").version == version_of(FITTED)
    for _ in range(1000):
        with suppress(DatasetBuilding):
            assert running.lookup("pets").spec == FITTED
            return
        assert running.health().alive
    raise AssertionError("it was not built")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda lines: [], "not JSON"),
        (lambda lines: ['{"backup": "l2r2", "format": 2}', *lines[1:]], "not a backup"),
        (lambda lines: lines[:-1], "cut short"),
        (lambda lines: [*lines[:-2], lines[-2][:100]], "not JSON"),
        (lambda lines: [line.replace('"cow"', '"cod"') for line in lines], "'cows' is not what was saved"),
        (lambda lines: [line.replace('"cows"', '"no name"') for line in lines], "'no name'"),
        (lambda lines: [line.replace('"current"', '"currant"') for line in lines], "currant|Field required"),
        (lambda lines: [line.replace("YSBjYXQ=", "YSBjb3c=") for line in lines], "picture .* is not what was saved"),
        (lambda lines: ["[" * 100_000], "not JSON"),
        (lambda lines: [lines[0], "[]"], "line 2"),
    ],
)
def test_a_backup_that_is_not_what_was_saved_is_refused(
    registry: Registry, url: str, other: str, change: Callable[[list[str]], list[str]], word: str
) -> None:
    with pytest.raises(BadRequest, match=word):
        restored(other, change(saved(url)))


def test_a_picture_that_is_missing_leaves_nothing_behind(registry: Registry, url: str, other: str) -> None:
    lines = [line for line in saved(url) if "picture" not in json.loads(line)]
    with pytest.raises(InvalidFields, match=DIGEST):
        restored(other, lines)
    assert [json.loads(line)["dataset"] for line in saved(other)[1:-1]] == ["cows"]
