import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hash_encoder import DIMENSIONS, HashEncoder, vector_of

from service.datasets.registry import Registry
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import (
    DatasetBuildFailed,
    DatasetBuilding,
    DatasetConflict,
    DatasetNotFound,
    EncoderUnavailable,
    InvalidFields,
)

WAIT_S = 20
CHUNK = 3
Start = Callable[..., Registry]


def spec_of(*names: str, **settings: object) -> DatasetSpec:
    return DatasetSpec(tuple(ClassEntry(name) for name in names), **settings)  # type: ignore[arg-type]


PETS = spec_of("cat", "dog")
LONG = spec_of(*(f"class {number}" for number in range(20)))


def until(condition: Callable[[], bool]) -> None:
    """Waits for what another thread brings about."""
    woken = threading.Event()
    for _ in range(int(WAIT_S / 0.02)):
        if condition():
            return
        woken.wait(0.02)
    raise AssertionError("it did not happen in time")


def until_ready(registry: Registry, name: str) -> None:
    until(lambda: registry.info(name).status == "ready")


def test_a_registered_dataset_answers_with_its_prototypes(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder)
    info, is_new = registry.register("pets", replace(PETS, templates=("a {}", "the {}")), replace=False)
    assert (info.status, info.progress, is_new) == ("ready", 1.0, True)
    dataset = registry.lookup("pets")
    assert dataset.labels == ("cat", "dog")
    mean = vector_of("a cat") + vector_of("the cat")
    assert dataset.prototypes[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_classes_with_prompts_of_their_own_are_averaged_over_those(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder)
    spec = DatasetSpec((ClassEntry("cat"), ClassEntry("dog", ("x", "y", "z"))), templates=("{}",))
    registry.register("pets", spec, replace=False)
    mean = vector_of("x") + vector_of("y") + vector_of("z")
    prototypes = registry.lookup("pets").prototypes
    assert prototypes[0] == pytest.approx(vector_of("cat"), abs=1e-6)
    assert prototypes[1] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_the_same_content_again_changes_nothing_and_costs_no_model_time(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder)
    first, _ = registry.register("pets", PETS, replace=False)
    calls = len(encoder.calls)
    again, is_new = registry.register("pets", PETS, replace=False)
    assert (again.version, is_new, len(encoder.calls)) == (first.version, None, calls)


def test_a_new_threshold_is_a_new_version_without_model_time(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder)
    first, _ = registry.register("pets", PETS, replace=False)
    calls = len(encoder.calls)
    second, is_new = registry.register("pets", replace(PETS, box_threshold=0.5), replace=True)
    assert second.version != first.version
    assert is_new is False
    assert len(encoder.calls) == calls


def test_other_content_under_the_same_name_is_refused_unless_it_replaces(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder)
    registry.register("pets", PETS, replace=False)
    calls = len(encoder.calls)
    with pytest.raises(DatasetConflict):
        registry.register("pets", spec_of("cow"), replace=False)
    assert len(encoder.calls) == calls
    assert registry.lookup("pets").labels == ("cat", "dog")
    registry.register("pets", spec_of("cow"), replace=True)
    assert registry.lookup("pets").labels == ("cow",)


def test_what_is_deleted_is_gone_and_can_be_registered_anew(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder)
    registry.register("pets", PETS, replace=False)
    registry.delete("pets")
    for action in (registry.lookup, registry.delete, registry.info):
        with pytest.raises(DatasetNotFound):
            action("pets")
    assert registry.infos() == []
    calls = len(encoder.calls)
    registry.register("pets", PETS, replace=False)
    assert len(encoder.calls) > calls  # its prototypes went with it


def test_prototypes_shared_by_two_datasets_outlive_one_of_them(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder)
    registry.register("one", PETS, replace=False)
    registry.register("two", replace(PETS, box_threshold=0.5), replace=False)
    registry.delete("one")
    other = start(encoder)
    assert other.lookup("two").prototypes.shape == (2, DIMENSIONS)


def test_a_restart_finds_everything_without_model_time(start: Start, encoder: HashEncoder) -> None:
    info, _ = start(encoder).register("pets", PETS, replace=False)
    fresh = HashEncoder()
    registry = start(fresh)
    assert registry.lookup("pets").version == info.version
    assert fresh.calls == []


def test_another_encoder_gets_prototypes_of_its_own_at_the_start(start: Start, encoder: HashEncoder) -> None:
    start(encoder).register("pets", PETS, replace=False)
    fresh = HashEncoder()
    registry = start(fresh, revision="r2")
    assert fresh.texts == ["A photo of a cat", "A photo of a dog"]
    assert registry.lookup("pets").prototypes.shape == (2, DIMENSIONS)


def test_a_long_list_is_built_in_the_background_with_progress(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder)
    encoder.gate.clear()
    info, _ = registry.register("long", LONG, replace=False)
    assert (info.status, info.progress, info.version) == ("building", 0.0, None)
    with pytest.raises(DatasetBuilding) as caught:
        registry.lookup("long")
    assert caught.value.retry_after_s
    encoder.gate.set()
    until_ready(registry, "long")
    assert len(registry.lookup("long").labels) == 20
    assert len(encoder.calls) == 7  # chunks of three


def test_a_replaced_list_goes_on_answering_until_the_long_one_is_built(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder)
    registry.register("pets", PETS, replace=False)
    encoder.gate.clear()
    info, _ = registry.register("pets", LONG, replace=True)
    assert info.status == "building"
    assert registry.lookup("pets").labels == ("cat", "dog")
    encoder.gate.set()
    until_ready(registry, "pets")
    assert len(registry.lookup("pets").labels) == 20


def test_a_build_cut_off_is_resumed_where_it_stopped(start: Start, encoder: HashEncoder) -> None:
    first = start(encoder)
    encoder.gate.clear()
    encoder.held_from_call = 2
    first.register("long", LONG, replace=False)
    for _ in range(2):
        assert encoder.entered.acquire(timeout=WAIT_S)
    closer = threading.Thread(target=first.close)
    closer.start()
    until(first._builder._stopping.is_set)
    encoder.gate.set()
    closer.join(WAIT_S)
    fresh = HashEncoder()
    second = start(fresh)
    until_ready(second, "long")
    assert len(fresh.texts) == 20 - 2 * CHUNK
    for number in (0, 19):
        row = second.lookup("long").prototypes[number]
        assert row == pytest.approx(vector_of(f"A photo of a class {number}"), abs=1e-6)


def test_a_failed_build_says_so_and_can_be_tried_again(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder)
    encoder.fails_on = "class 10"
    registry.register("long", LONG, replace=False)
    until(lambda: registry.info("long").status == "failed")
    assert "the text encoder failed" in (registry.info("long").failure or "")
    with pytest.raises(DatasetBuildFailed):
        registry.lookup("long")
    encoder.fails_on = None
    registry.register("long", LONG, replace=False)
    until_ready(registry, "long")


def test_replicas_answer_with_what_any_of_them_registered(start: Start, encoder: HashEncoder) -> None:
    one, other = start(encoder), start(HashEncoder())
    one.register("pets", PETS, replace=False)
    assert other.lookup("pets").labels == ("cat", "dog")
    other.register("pets", spec_of("cow"), replace=True)
    assert one.lookup("pets").labels == ("cow",)
    one.delete("pets")
    with pytest.raises(DatasetNotFound):
        other.lookup("pets")


def test_two_replicas_registering_at_once_agree(start: Start) -> None:
    encoders = [HashEncoder(), HashEncoder()]
    registries = [start(encoder) for encoder in encoders]
    outcomes: list[object] = []

    def register(registry: Registry, names: tuple[str, ...]) -> None:
        try:
            outcomes.append(registry.register("pets", spec_of(*names), replace=False)[0].version)
        except DatasetConflict:
            outcomes.append("conflict")

    threads = [
        threading.Thread(target=register, args=(registry, (f"cat {place}",)))
        for place, registry in enumerate(registries)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert outcomes.count("conflict") == 1
    assert registries[0].lookup("pets").version == registries[1].lookup("pets").version


def test_an_encoder_that_is_not_loaded_is_refused(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder)
    with pytest.raises(InvalidFields) as caught:
        registry.register("pets", replace(PETS, encoder="other"), replace=False)
    assert caught.value.problems[0].allowed == ("hash",)


def test_a_dataset_bound_to_another_encoder_says_so(start: Start, encoder: HashEncoder) -> None:
    start(encoder).register("pets", replace(PETS, encoder="hash"), replace=False)
    registry = start(HashEncoder(), name="other", revision="r9")
    with pytest.raises(EncoderUnavailable):
        registry.lookup("pets")


def test_more_classes_than_allowed_are_refused(start: Start, encoder: HashEncoder) -> None:
    with pytest.raises(InvalidFields, match="at most 5"):
        start(encoder, max_classes=5).register("long", LONG, replace=False)


def test_prompts_that_the_localizer_cannot_take_are_refused(start: Start, encoder: HashEncoder) -> None:
    with pytest.raises(InvalidFields, match="localizer_prompts"):
        start(encoder).register("pets", replace(PETS, localizer_prompts=("too long",)), replace=False)


def test_memory_for_prototypes_is_bounded(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder, cache_bytes=3 * 2 * DIMENSIONS * 4)
    for number in range(6):
        registry.register(f"set-{number}", spec_of(f"a {number}", f"b {number}"), replace=False)
        registry.lookup(f"set-{number}")
    assert len(registry._ready._loaded) == 3
    assert registry.lookup("set-0").labels == ("a 0", "b 0")


def test_a_replacement_with_the_same_texts_goes_on_with_the_build_that_runs(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder)
    encoder.gate.clear()
    registry.register("other", spec_of(*(f"other {number}" for number in range(20))), replace=False)
    assert encoder.entered.acquire(timeout=WAIT_S)
    registry.register("long", LONG, replace=False)  # waits behind it
    registry.register("long", replace(LONG, box_threshold=0.5), replace=True)
    registry.register("third", replace(LONG, box_threshold=0.1), replace=False)
    registry.delete("third")
    encoder.gate.set()
    until_ready(registry, "long")
    assert registry.lookup("long").spec.box_threshold == 0.5
    registry.register("after", spec_of(*(f"after {number}" for number in range(20))), replace=False)
    until_ready(registry, "after")
    assert registry.health().alive


def test_a_pending_list_survives_a_restart_with_another_encoder(start: Start, encoder: HashEncoder) -> None:
    first = start(encoder)
    encoder.fails_on = "class 10"
    first.register("long", LONG, replace=False)
    until(lambda: first.info("long").status == "failed")
    first.close()
    fresh = HashEncoder()
    second = start(fresh, revision="r2")
    until_ready(second, "long")
    assert len(fresh.texts) == 20


@pytest.mark.parametrize("sizes", [(3, 2), (4, 3), (2, 5), (5, 5)])
def test_a_build_resumed_with_another_chunk_size_is_whole(
    start: Start, encoder: HashEncoder, sizes: tuple[int, int]
) -> None:
    first = start(encoder, chunk=sizes[0])
    encoder.fails_on = "class 10"
    first.register("long", LONG, replace=False)
    until(lambda: first.info("long").status == "failed")
    first.close()
    second = start(HashEncoder(), chunk=sizes[1])
    second.register("long", LONG, replace=False)
    until_ready(second, "long")
    rows = second.lookup("long").prototypes
    expected = np.stack([vector_of(f"A photo of a class {number}") for number in range(20)])
    assert rows == pytest.approx(expected, abs=1e-6)


def test_a_list_built_at_once_serves_those_who_waited_for_its_texts(start: Start, encoder: HashEncoder) -> None:
    first = start(encoder)
    encoder.fails_on = "class 10"
    first.register("waiting", LONG, replace=False)
    until(lambda: first.info("waiting").status == "failed")
    first.close()
    second = start(HashEncoder(), background=100)
    assert second.register("at-once", LONG, replace=False)[0].status == "ready"
    assert second.info("waiting").status == "ready"


def test_lookups_of_a_list_that_only_another_encoder_built_agree(start: Start, encoder: HashEncoder) -> None:
    one, other = start(encoder), start(HashEncoder(), revision="r2")
    one.register("pets", PETS, replace=False)
    outcomes: list[object] = []

    def look_up() -> None:
        try:
            outcomes.append(other.lookup("pets").version)
        except DatasetBuilding:
            outcomes.append("building")

    threads = [threading.Thread(target=look_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert len(outcomes) == 4
    until_found(other, "pets")


def until_found(registry: Registry, name: str) -> None:
    def found() -> bool:
        try:
            return registry.lookup(name) is not None
        except DatasetBuilding:
            return False

    until(found)


def test_a_dataset_that_cannot_be_made_ready_does_not_stop_the_others(start: Start, encoder: HashEncoder) -> None:
    first = start(encoder)
    first.register("bad", spec_of("poison"), replace=False)
    first.register("good", PETS, replace=False)
    fresh = HashEncoder()
    fresh.fails_on = "poison"
    second = start(fresh, revision="r2")
    assert second.lookup("good").labels == ("cat", "dog")
    with pytest.raises(DatasetBuildFailed):
        second.lookup("bad")


def test_another_replica_resumes_the_build_of_one_that_died(
    start: Start, encoder: HashEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying, other = start(encoder), start(HashEncoder())
    other.register("pets", PETS, replace=False)
    encoder.gate.clear()
    dying.register("pets", LONG, replace=True)
    assert encoder.entered.acquire(timeout=WAIT_S)
    with sqlite3.connect(dying._store._database._url.database) as database:  # as if its lease had run out
        database.execute("UPDATE prototype_builds SET lease_until = 0")
    until(lambda: len(other.lookup("pets").labels) == 20)
    encoder.gate.set()


def test_many_templates_make_a_short_list_a_long_build(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder, chunk=4)
    spec = replace(spec_of("a", "b", "c"), templates=tuple(f"{number} {{}}" for number in range(5)))
    info, _ = registry.register("templates", spec, replace=False)
    assert info.status == "building"
    until_ready(registry, "templates")
    assert [len(call) for call in encoder.calls] == [5, 5, 5]


@pytest.mark.parametrize("name", ["a\0b", "a b", "", "ä"])
def test_a_name_that_cannot_be_registered_is_not_found(start: Start, encoder: HashEncoder, name: str) -> None:
    registry = start(encoder)
    for action in (registry.lookup, registry.info, registry.delete):
        with pytest.raises(DatasetNotFound):
            action(name)
