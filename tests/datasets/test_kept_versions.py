import hashlib
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hash_encoder import HashEncoder

from service.datasets.fingerprints import version_of
from service.datasets.kept import MOST_KEPT
from service.datasets.records import VersionInfo
from service.datasets.registry import Registry
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import (
    DatasetBuilding,
    DatasetConflict,
    DatasetNotFound,
    DatasetVersionNotFound,
    InvalidFields,
)
from service.recognition.calibration import Calibration

Start = Callable[..., Registry]
WAIT_S = 20
PETS = DatasetSpec((ClassEntry("cat"), ClassEntry("dog")))
COWS = DatasetSpec((ClassEntry("cow"),))
LONG = DatasetSpec(tuple(ClassEntry(f"class {number}") for number in range(20)))


def calibrated(temperature: float, spec: DatasetSpec = PETS) -> DatasetSpec:
    return replace(spec, calibration=Calibration(("full",), temperatures={"full": (temperature,)}))


def add(registry: Registry, spec: DatasetSpec, *, base: DatasetSpec = PETS, activate: bool = False) -> VersionInfo:
    note = {"pictures": 40, "error": 0.05}
    return registry.add_version("pets", spec, base_version=version_of(base), note=note, activate=activate)


def listed(registry: Registry) -> dict[str, tuple[bool, str]]:
    return {info.version: (info.current, info.origin) for info in registry.versions("pets")}


@pytest.fixture
def registry(start: Start, encoder: HashEncoder) -> Registry:
    started = start(encoder)
    started.register("pets", PETS, replace=False)
    return started


def until(condition: Callable[[], bool]) -> None:
    woken = threading.Event()
    for _ in range(int(WAIT_S / 0.02)):
        if condition():
            return
        woken.wait(0.02)
    raise AssertionError("it did not happen in time")


def test_a_registered_dataset_has_one_version(registry: Registry) -> None:
    [info] = registry.versions("pets")
    assert (info.version, info.current, info.origin, info.note) == (version_of(PETS), True, "registered", {})
    assert abs(datetime.now(UTC) - info.created_at) < timedelta(minutes=1)


def test_an_added_version_answers_only_where_it_is_asked_for(registry: Registry, encoder: HashEncoder) -> None:
    calls = len(encoder.calls)
    info = add(registry, calibrated(2.0))
    assert (info.current, info.origin, info.note) == (False, "calibrated", {"pictures": 40, "error": 0.05})
    assert registry.lookup("pets").version == version_of(PETS)
    asked = registry.lookup("pets", info.version)
    assert (asked.version, asked.spec) == (info.version, calibrated(2.0))
    assert asked.prototypes == pytest.approx(registry.lookup("pets").prototypes)
    assert len(encoder.calls) == calls


def test_activation_lets_it_answer_and_keeps_what_answered(registry: Registry) -> None:
    registered_at = registry.versions("pets")[0].created_at
    info = add(registry, calibrated(2.0))
    assert registry.activate("pets", info.version).current
    assert registry.lookup("pets").version == registry.info("pets").version == info.version
    assert registry.lookup("pets", version_of(PETS)).spec == PETS
    assert listed(registry) == {info.version: (True, "calibrated"), version_of(PETS): (False, "registered")}
    assert registry.versions("pets")[1].created_at == registered_at
    registry.activate("pets", version_of(PETS))
    assert listed(registry) == {info.version: (False, "calibrated"), version_of(PETS): (True, "registered")}


def test_a_version_can_be_activated_as_it_is_added(registry: Registry) -> None:
    assert add(registry, calibrated(2.0), activate=True).current
    assert add(registry, calibrated(3.0), base=calibrated(2.0), activate=True).current
    assert [info.version for info in registry.versions("pets")] == [
        version_of(calibrated(3.0)),
        version_of(calibrated(2.0)),
        version_of(PETS),
    ]


def test_activating_what_answers_changes_nothing(registry: Registry) -> None:
    before = registry.info("pets")
    assert registry.activate("pets", version_of(PETS)).current
    assert registry.info("pets") == before


def test_adding_what_is_there_changes_nothing(registry: Registry) -> None:
    assert add(registry, PETS) == registry.versions("pets")[0]
    first = add(registry, calibrated(2.0))
    again = registry.add_version(
        "pets", calibrated(2.0), base_version=version_of(PETS), note={"other": 1}, activate=False
    )
    assert again == first


def test_the_first_characters_of_a_version_will_do(registry: Registry) -> None:
    version = add(registry, calibrated(2.0)).version
    assert registry.lookup("pets", version[:8]).version == version
    assert registry.activate("pets", version[:12]).version == version


@pytest.mark.parametrize("wanted", ["", "0", "current", "0" * 64, "x\0y", version_of(PETS)[:7], version_of(PETS) + "0"])
def test_an_unknown_version_is_refused_listing_the_known_ones(registry: Registry, wanted: str) -> None:
    add(registry, calibrated(2.0))
    for action in (registry.lookup, registry.activate):
        with pytest.raises(DatasetVersionNotFound) as caught:
            action("pets", wanted)
        assert version_of(PETS)[:12] in caught.value.detail
        assert version_of(calibrated(2.0))[:12] in caught.value.detail


def test_characters_that_begin_two_versions_are_refused(registry: Registry, url: str) -> None:
    add(registry, calibrated(2.0))
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        twin = version_of(PETS)[:10] + "0" * 54
        database.execute(
            "INSERT INTO dataset_versions SELECT ?, texts_key, class_count, spec FROM dataset_versions LIMIT 1", (twin,)
        )
        database.execute("UPDATE kept_versions SET version = ?", (twin,))
    with pytest.raises(DatasetVersionNotFound, match="just one"):
        registry.lookup("pets", version_of(PETS)[:9])
    assert registry.lookup("pets", version_of(PETS)[:11]).version == version_of(PETS)


@pytest.mark.parametrize("name", ["other", "a b", ""])
def test_versions_of_an_unknown_dataset_are_not_found(registry: Registry, name: str) -> None:
    for action in (
        lambda: registry.versions(name),
        lambda: registry.activate(name, version_of(PETS)),
        lambda: registry.lookup(name, version_of(PETS)),
        lambda: registry.add_version(name, PETS, base_version=version_of(PETS), note={}, activate=False),
    ):
        with pytest.raises(DatasetNotFound):
            action()


def test_a_version_of_another_dataset_is_not_found(registry: Registry) -> None:
    registry.register("cows", COWS, replace=False)
    with pytest.raises(DatasetVersionNotFound):
        registry.lookup("pets", version_of(COWS))


def test_a_version_with_other_texts_cannot_be_added(registry: Registry) -> None:
    with pytest.raises(ValueError, match="must have the texts"):
        add(registry, COWS)


def test_a_version_is_judged_as_a_registration_is(registry: Registry) -> None:
    with pytest.raises(InvalidFields):
        add(registry, replace(calibrated(2.0), encoder="other"))


def test_a_version_of_what_was_replaced_cannot_be_added(registry: Registry) -> None:
    registry.register("pets", COWS, replace=True)
    with pytest.raises(DatasetVersionNotFound, match="was replaced"):
        add(registry, calibrated(2.0))


def test_what_was_replaced_meanwhile_by_other_classes_is_not_overruled(registry: Registry) -> None:
    base = add(registry, calibrated(2.0)).version
    registry.register("pets", COWS, replace=True)
    with pytest.raises(DatasetConflict, match="other classes"):
        add(registry, calibrated(3.0), base=calibrated(2.0), activate=True)
    assert listed(registry).keys() == {version_of(COWS), base}
    assert not add(registry, calibrated(3.0), base=calibrated(2.0)).current
    assert registry.lookup("pets").labels == ("cow",)


def test_a_replacement_leaves_the_kept_versions(registry: Registry) -> None:
    version = add(registry, calibrated(2.0)).version
    registry.register("pets", COWS, replace=True)
    assert registry.lookup("pets").labels == ("cow",)
    assert registry.lookup("pets", version).labels == ("cat", "dog")
    registry.activate("pets", version)
    assert registry.lookup("pets").labels == ("cat", "dog")
    assert registry.lookup("pets", version_of(COWS)).labels == ("cow",)


def test_posting_again_what_was_calibrated_since_changes_nothing(registry: Registry) -> None:
    version = add(registry, calibrated(2.0), activate=True).version
    info, is_new = registry.register("pets", PETS, replace=False)
    assert (info.version, is_new) == (version, None)
    with pytest.raises(DatasetConflict):
        registry.register("pets", COWS, replace=False)
    assert registry.register("pets", PETS, replace=True)[0].version == version_of(PETS)
    assert listed(registry)[version] == (False, "calibrated")
    registry.activate("pets", version)
    registry.register("pets", COWS, replace=True)
    with pytest.raises(DatasetConflict):  # other classes answer now
        registry.register("pets", PETS, replace=False)


def test_the_oldest_calibrated_versions_leave_first(registry: Registry) -> None:
    for number in range(1, MOST_KEPT + 3):
        add(registry, calibrated(float(number)), activate=number == 1)
    versions = listed(registry)
    assert len(versions) == MOST_KEPT + 1
    assert versions[version_of(PETS)] == (False, "registered")
    assert versions[version_of(calibrated(1.0))] == (True, "calibrated")  # the oldest, but it answers
    assert version_of(calibrated(2.0)) not in versions
    assert version_of(calibrated(4.0)) in versions
    with pytest.raises(DatasetVersionNotFound):
        registry.lookup("pets", version_of(calibrated(2.0)))


def test_what_answered_until_now_does_not_leave_when_another_is_activated(registry: Registry) -> None:
    add(registry, calibrated(1.0), activate=True)
    for number in range(2, MOST_KEPT + 2):
        add(registry, calibrated(float(number)))
    add(registry, calibrated(99.0), activate=True)
    versions = listed(registry)
    assert len(versions) == MOST_KEPT + 1
    assert version_of(calibrated(1.0)) in versions
    assert version_of(calibrated(2.0)) not in versions


def test_registered_versions_leave_when_no_calibrated_one_is_left(registry: Registry) -> None:
    specs = [replace(PETS, box_threshold=number / 100) for number in range(MOST_KEPT + 2)]
    for place, spec in enumerate(specs):
        registry.register("pets", spec, replace=True)
        add(registry, calibrated(float(place + 1), spec), base=spec, activate=True)  # which keeps the registered one
    last = calibrated(float(len(specs)), specs[-1])
    assert listed(registry).keys() == {version_of(spec) for spec in (*specs[-MOST_KEPT:], last)}


def test_deletion_takes_the_kept_versions_along(registry: Registry, url: str) -> None:
    add(registry, calibrated(2.0), activate=True)
    registry.delete("pets")
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        for table in ("datasets", "kept_versions", "dataset_versions", "prototype_builds", "prototype_chunks"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_a_version_shared_with_another_dataset_stays_with_it(registry: Registry) -> None:
    version = add(registry, calibrated(2.0)).version
    registry.register("twin", calibrated(2.0), replace=False)
    registry.delete("pets")
    assert registry.lookup("twin").version == version


def test_kept_versions_hold_their_pictures(registry: Registry, url: str) -> None:
    digest = hashlib.sha256(b"a cat").hexdigest()
    pictured = DatasetSpec((ClassEntry("cat", (), (digest,)), ClassEntry("dog")))
    registry.register("pets", pictured, replace=True, pictures={digest: b"a cat"})
    until(lambda: registry.info("pets").status == "ready")
    version = add(registry, calibrated(2.0, pictured), base=pictured).version
    registry.register("pets", COWS, replace=True)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        assert database.execute("SELECT sha256 FROM exemplars").fetchall() == [(digest,)]
    assert registry.lookup("pets", version).labels == ("cat", "dog")


def test_replicas_and_restarts_see_versions_at_once(start: Start, registry: Registry) -> None:
    other = start(HashEncoder())
    version = add(registry, calibrated(2.0)).version
    assert other.lookup("pets", version).spec == calibrated(2.0)
    other.activate("pets", version)
    assert registry.lookup("pets").version == version
    fresh = HashEncoder()
    third = start(fresh)
    assert third.lookup("pets").version == version
    assert third.lookup("pets", version_of(PETS)).spec == PETS
    assert third.versions("pets") == registry.versions("pets")
    assert fresh.calls == []


def test_replicas_activating_at_once_lose_no_version(start: Start, registry: Registry) -> None:
    replicas = [registry, start(HashEncoder())]
    threads = [
        threading.Thread(target=add, args=(replica, calibrated(float(place + 2))), kwargs={"activate": True})
        for place, replica in enumerate(replicas)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert listed(registry).keys() == {version_of(spec) for spec in (PETS, calibrated(2.0), calibrated(3.0))}


def test_a_kept_version_of_other_classes_is_built_for_another_encoder_when_it_is_asked_for(
    start: Start, registry: Registry
) -> None:
    version = add(registry, calibrated(2.0)).version
    registry.register("pets", COWS, replace=True)
    other = start(HashEncoder(), revision="r2")

    def activated() -> bool:
        try:
            return other.activate("pets", version).current
        except DatasetBuilding:
            assert other.lookup("pets").labels == ("cow",)
            return False

    until(activated)
    assert other.lookup("pets").labels == ("cat", "dog")


def test_a_list_being_built_can_be_asked_for_and_leaves_when_another_is_activated(
    registry: Registry, encoder: HashEncoder
) -> None:
    version = add(registry, calibrated(2.0)).version
    encoder.gate.clear()
    registry.register("pets", LONG, replace=True)
    for action in (registry.lookup, registry.activate):
        with pytest.raises(DatasetBuilding):
            action("pets", version_of(LONG))
    assert version_of(LONG) not in listed(registry)
    assert add(registry, calibrated(3.0), activate=True).current  # a calibration does not stop it
    assert registry.info("pets").building == version_of(LONG)
    registry.activate("pets", version)
    assert registry.info("pets").building is None
    encoder.gate.set()
    assert registry.lookup("pets").version == version


def test_a_list_that_was_built_takes_over_and_leaves_the_kept_versions(
    registry: Registry, encoder: HashEncoder
) -> None:
    version = add(registry, calibrated(2.0), activate=True).version
    encoder.gate.clear()
    registry.register("pets", LONG, replace=True)
    encoder.gate.set()
    until(lambda: registry.lookup("pets").version == version_of(LONG))
    assert listed(registry).keys() == {version_of(LONG), version, version_of(PETS)}


def test_a_list_being_built_that_memory_still_holds_cannot_be_activated(
    registry: Registry, encoder: HashEncoder
) -> None:
    registry.register("long", LONG, replace=False)
    until(lambda: registry.info("long").status == "ready")
    registry.lookup("long")
    registry.delete("long")
    encoder.gate.clear()
    registry.register("pets", LONG, replace=True)
    with pytest.raises(DatasetBuilding):
        registry.activate("pets", version_of(LONG))
    encoder.gate.set()
