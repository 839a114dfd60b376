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
    info, changed = registry.register("pets", replace(PETS, templates=("a {}", "the {}")), replace=False)
    assert (info.status, info.progress, changed) == ("ready", 1.0, True)
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
    again, changed = registry.register("pets", PETS, replace=False)
    assert (again.version, changed, len(encoder.calls)) == (first.version, False, calls)


def test_a_new_threshold_is_a_new_version_without_model_time(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder)
    first, _ = registry.register("pets", PETS, replace=False)
    calls = len(encoder.calls)
    second, changed = registry.register("pets", replace(PETS, box_threshold=0.5), replace=True)
    assert second.version != first.version
    assert changed
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
    assert len(registry._loaded) == 3
    assert registry.lookup("set-0").labels == ("a 0", "b 0")
