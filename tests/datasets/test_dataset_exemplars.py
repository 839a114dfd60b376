import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
from hash_encoder import HashEncoder, picture_vector, vector_of

from service.datasets.admission import MOST_PICTURES
from service.datasets.prototypes import unsaved_dataset
from service.datasets.registry import Registry
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import DatasetBuilding, DatasetNotFound, EncoderUnavailable, InvalidFields, ModelFailed, Overloaded

Start = Callable[..., Registry]
WAIT_S = 20
ONE, TWO, THREE = b"picture one", b"picture two", b"picture three"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def given(*pictures: bytes) -> dict[str, bytes]:
    return {sha256(data): data for data in pictures}


def pictured(name: str, *pictures: bytes, weight: float = 0.5) -> ClassEntry:
    return ClassEntry(name, (), tuple(map(sha256, pictures)), weight)


def unit(row: np.ndarray) -> np.ndarray:
    return row / np.linalg.norm(row)


def name_of(entry: str) -> np.ndarray:
    return vector_of(f"A photo of a {entry}")


MIXED = DatasetSpec((pictured("cat", ONE, TWO, weight=0.25), ClassEntry("dog"), pictured("cup", THREE, weight=1.0)))
ALL = given(ONE, TWO, THREE)
LONG = DatasetSpec(tuple(pictured(f"thing {number}", ONE, TWO) for number in range(4)))


def rows_in(url: str, table: str) -> int:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def until(condition: Callable[[], bool]) -> None:
    woken = threading.Event()
    for _ in range(int(WAIT_S / 0.02)):
        if condition():
            return
        woken.wait(0.02)
    raise AssertionError("it did not happen in time")


def until_ready(registry: Registry, name: str) -> None:
    until(lambda: registry.info(name).status == "ready")


def fields_of(error: InvalidFields) -> list[str]:
    return [problem.field for problem in error.problems]


def mixed_prototypes(*prompts: str) -> np.ndarray:
    cat = unit(picture_vector(ONE, *prompts) + picture_vector(TWO, *prompts))
    cup = picture_vector(THREE, *prompts)
    gap = (name_of("cat") + name_of("dog")) / 2 - (cat + cup) / 2
    return np.stack([unit(0.25 * unit(cat + gap) + 0.75 * name_of("cat")), name_of("dog"), unit(cup + gap)])


def test_a_class_lies_between_its_name_and_its_pictures(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder, background=1000)
    assert registry.register("mixed", MIXED, replace=False, pictures=ALL)[0].status == "ready"
    assert registry.lookup("mixed").prototypes == pytest.approx(mixed_prototypes(), abs=1e-6)
    assert encoder.texts == ["A photo of a cat", "A photo of a dog"]  # the cup's name is left out


def test_a_list_built_in_the_background_is_the_same(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder, background=1, chunk=1)  # the means are over all chunks
    assert registry.register("mixed", MIXED, replace=False, pictures=ALL)[0].status == "building"
    until_ready(registry, "mixed")
    assert registry.lookup("mixed").prototypes == pytest.approx(mixed_prototypes(), abs=1e-6)


def test_a_picture_takes_the_time_of_many_texts(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder, background=40)
    two = DatasetSpec((pictured("cat", ONE, weight=1.0), pictured("dog", TWO, weight=1.0)))
    three = DatasetSpec((*two.classes, pictured("cup", THREE, weight=1.0)))
    assert registry.register("two", two, replace=False, pictures=ALL)[0].status == "ready"
    assert registry.register("three", three, replace=False, pictures=ALL)[0].status == "building"
    until_ready(registry, "three")


def test_a_single_class_with_pictures_is_left_where_it_is(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder, background=1000)
    spec = DatasetSpec((pictured("cat", ONE, TWO, weight=0.25), ClassEntry("dog")))
    registry.register("pets", spec, replace=False, pictures=ALL)
    cat = unit(0.25 * unit(picture_vector(ONE) + picture_vector(TWO)) + 0.75 * name_of("cat"))
    assert registry.lookup("pets").prototypes == pytest.approx(np.stack([cat, name_of("dog")]), abs=1e-6)


def test_a_single_class_with_pictures_is_refused_where_the_gap_is_wide(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder, shared_space=False)
    spec = DatasetSpec((pictured("cat", ONE, weight=1.0), ClassEntry("dog")))
    with pytest.raises(InvalidFields, match="at least 2 classes") as caught:
        registry.register("pets", spec, replace=False, pictures=ALL)
    assert fields_of(caught.value) == ["classes"]
    alone = DatasetSpec((pictured("cat", ONE, weight=1.0),))
    registry.register("alone", alone, replace=False, pictures=ALL)
    until_ready(registry, "alone")
    assert registry.lookup("alone").prototypes == pytest.approx(picture_vector(ONE)[None], abs=1e-6)


def test_a_list_that_an_encoder_cannot_compare_says_so(start: Start, encoder: HashEncoder) -> None:
    spec = DatasetSpec((pictured("cat", ONE), ClassEntry("dog")))
    start(encoder, background=1000).register("pets", spec, replace=False, pictures=ALL)
    other = start(HashEncoder(), name="clip", revision="r2", shared_space=False)
    with pytest.raises(EncoderUnavailable, match="'clip' keeps pictures and texts far apart"):
        other.lookup("pets")


def test_a_picture_that_is_neither_sent_nor_stored_is_named(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder, background=1000)
    with pytest.raises(InvalidFields) as caught:
        registry.register("mixed", MIXED, replace=False, pictures=given(TWO))
    assert fields_of(caught.value) == ["classes[0].images[0]", "classes[2].images[0]"]
    assert encoder.calls == encoder.pictures == []
    with pytest.raises(DatasetNotFound):
        registry.info("mixed")


def test_a_stored_picture_need_not_be_sent_again(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder, background=1000)
    registry.register("one", MIXED, replace=False, pictures=ALL)
    registry.register("two", DatasetSpec((pictured("mug", THREE), ClassEntry("horse"))), replace=False)
    assert registry.lookup("two").prototypes[0] == pytest.approx(unit(picture_vector(THREE) + name_of("mug")), abs=1e-6)


def test_pictures_are_stored_once_and_leave_with_the_last_who_has_them(
    start: Start, encoder: HashEncoder, url: str
) -> None:
    registry = start(encoder, background=1000)
    registry.register("one", MIXED, replace=False, pictures=ALL)
    registry.register("two", DatasetSpec((pictured("kitten", TWO),)), replace=False, pictures=given(TWO))
    assert rows_in(url, "exemplars") == 3
    registry.delete("one")
    assert (rows_in(url, "exemplars"), rows_in(url, "version_exemplars")) == (1, 1)
    registry.register("two", DatasetSpec((ClassEntry("kitten"),)), replace=True)
    assert (rows_in(url, "exemplars"), rows_in(url, "version_exemplars")) == (0, 0)


def test_only_the_pictures_that_a_list_has_are_stored(start: Start, encoder: HashEncoder, url: str) -> None:
    registry = start(encoder, background=1000)
    registry.register("two", DatasetSpec((pictured("kitten", TWO),)), replace=False, pictures=ALL)
    assert rows_in(url, "exemplars") == 1


def test_another_weight_costs_no_model_time_and_other_prompts_do(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder, background=1000)
    registry.register("mixed", MIXED, replace=False, pictures=ALL)
    first = registry.lookup("mixed").prototypes
    heavier = replace(MIXED, classes=(replace(MIXED.classes[0], picture_weight=0.75), *MIXED.classes[1:]))
    registry.register("mixed", heavier, replace=True)
    assert len(encoder.pictures) == 3
    assert registry.lookup("mixed").prototypes[0] != pytest.approx(first[0], abs=1e-3)
    registry.register("mixed", replace(MIXED, localizer_prompts=("animal",)), replace=True)
    assert len(encoder.pictures) == 6
    assert registry.lookup("mixed").prototypes == pytest.approx(mixed_prototypes("animal"), abs=1e-6)


def test_a_restart_finds_everything_without_model_time(start: Start, encoder: HashEncoder) -> None:
    start(encoder, background=1000).register("mixed", MIXED, replace=False, pictures=ALL)
    fresh = HashEncoder()
    assert start(fresh).lookup("mixed").prototypes == pytest.approx(mixed_prototypes(), abs=1e-6)
    assert fresh.calls == fresh.pictures == []


def test_another_localizer_sees_the_pictures_anew_and_leaves_the_names(start: Start, encoder: HashEncoder) -> None:
    first = start(encoder, background=1000)
    first.register("mixed", MIXED, replace=False, pictures=ALL)
    first.register("names", DatasetSpec((ClassEntry("horse"),)), replace=False)
    fresh = HashEncoder()
    second = start(fresh, localizer="l2")
    assert sorted(fresh.pictures) == sorted([ONE, TWO, THREE])
    assert "A photo of a horse" not in fresh.texts
    assert second.info("mixed").status == "ready"


def test_more_pictures_than_allowed_are_refused(start: Start, encoder: HashEncoder) -> None:
    many = tuple(f"{number:064x}" for number in range(MOST_PICTURES + 1))
    with pytest.raises(InvalidFields, match="hold 2001 images; at most 2000"):
        start(encoder).register("many", DatasetSpec((ClassEntry("cat", (), many),)), replace=False)


def test_a_service_without_picture_encoder_refuses_pictures(start: Start, encoder: HashEncoder) -> None:
    with pytest.raises(InvalidFields) as caught:
        start(encoder, takes_pictures=False).register("mixed", MIXED, replace=False, pictures=ALL)
    assert fields_of(caught.value) == ["classes[0].images"]


def test_a_replica_without_picture_encoder_answers_about_its_own_lists(start: Start, encoder: HashEncoder) -> None:
    first = start(encoder, background=1000)
    first.register("mixed", MIXED, replace=False, pictures=ALL)
    first.register("names", DatasetSpec((ClassEntry("horse"),)), replace=False)
    second = start(HashEncoder(), localizer="none", takes_pictures=False)
    assert second.lookup("names").labels == ("horse",)
    assert second.info("mixed").status == "ready"  # it has a version that answers elsewhere


def test_a_picture_deleted_while_it_was_embedded_must_be_sent(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder, background=1000)
    registry.register("one", MIXED, replace=False, pictures=ALL)
    encoder.before_picture = lambda data: registry.delete("one") if data == ONE else None
    for names in (("a", "b"), ("c", "d")):  # gone before the second picture is read; gone from the start
        spec = DatasetSpec((pictured(names[0], ONE), pictured(names[1], THREE)))
        with pytest.raises(InvalidFields, match=r"send it"):
            registry.register("two", spec, replace=False)


def test_a_picture_deleted_before_the_list_was_saved_must_be_sent(start: Start, encoder: HashEncoder, url: str) -> None:
    registry = start(encoder, background=1000)
    registry.register("one", MIXED, replace=False, pictures=ALL)
    encoder.before_picture = lambda _data: registry.delete("one")
    with pytest.raises(InvalidFields) as caught:
        registry.register("two", DatasetSpec((pictured("kitten", ONE),)), replace=False)
    assert fields_of(caught.value) == ["classes[0].images[0]"]
    assert [rows_in(url, table) for table in ("datasets", "dataset_versions", "exemplars")] == [0, 0, 0]


def failing_once(error: Exception) -> Callable[[bytes], None]:
    errors: Iterable[Exception] = iter([error])

    def fail(_data: bytes) -> None:
        for left in errors:
            raise left

    return fail


def test_a_build_that_met_a_busy_service_is_tried_again(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder, background=1)
    encoder.before_picture = failing_once(Overloaded("busy", retry_after_s=1))
    registry.register("long", LONG, replace=False, pictures=ALL)
    until_ready(registry, "long")  # each look at it resumes it
    assert registry.info("long").failure is None


def test_a_picture_that_the_model_fails_on_fails_its_list_alone(start: Start, encoder: HashEncoder) -> None:
    first = start(encoder, background=1000)
    first.register("mixed", MIXED, replace=False, pictures=ALL)
    first.register("names", DatasetSpec((ClassEntry("horse"),)), replace=False)
    fresh = HashEncoder()
    fresh.before_picture = failing_once(ModelFailed("the encoder failed on this input"))
    second = start(fresh, revision="r2")
    assert second.lookup("names").labels == ("horse",)
    assert second.info("mixed").failure == "ModelFailed: the encoder failed on this input"


def test_a_build_stops_between_two_pictures_and_goes_on_after_a_restart(start: Start, encoder: HashEncoder) -> None:
    first = start(encoder, background=1)
    at_fourth, go_on = threading.Event(), threading.Event()

    def hold(_data: bytes) -> None:
        if len(encoder.pictures) == 4:
            at_fourth.set()
            assert go_on.wait(WAIT_S)

    encoder.before_picture = hold
    first.register("long", LONG, replace=False, pictures=ALL)
    assert at_fourth.wait(WAIT_S)
    closer = threading.Thread(target=first.close)
    closer.start()
    until(first._builder._stopping.is_set)
    go_on.set()
    closer.join(WAIT_S)
    assert len(encoder.pictures) == 4
    fresh = HashEncoder()
    second = start(fresh)
    until_ready(second, "long")
    assert len(fresh.pictures) == 4  # of two classes; the second one's fourth picture was the last of its chunk


def test_a_build_that_nobody_wants_any_longer_stops_at_the_next_picture(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder, background=1)
    encoder.before_picture = lambda _data: registry.delete("long") if len(encoder.pictures) == 2 else None
    registry.register("long", LONG, replace=False, pictures=ALL)
    registry.register("after", DatasetSpec((pictured("cup", THREE),)), replace=False, pictures=ALL)
    until_ready(registry, "after")
    assert encoder.pictures == [ONE, TWO, THREE]


def test_a_build_whose_pictures_are_gone_is_no_failure(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder, background=1)
    encoder.gate.clear()
    registry.register("long", LONG, replace=False, pictures=ALL)
    assert encoder.entered.acquire(timeout=WAIT_S)  # its texts are being embedded
    registry.delete("long")
    encoder.gate.set()
    registry.register("long", LONG, replace=False, pictures=ALL)
    until_ready(registry, "long")
    assert registry.info("long").failure is None


def test_a_build_that_another_replica_took_over_is_left_to_it(start: Start, encoder: HashEncoder, url: str) -> None:
    registry = start(encoder, background=1)

    def take_over(_data: bytes) -> None:
        with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
            database.execute("UPDATE prototype_builds SET lease_owner = 'other', lease_until = 4e9")

    encoder.before_picture = take_over
    registry.register("long", LONG, replace=False, pictures=ALL)
    until(lambda: encoder.pictures == [ONE] and not registry._builder._queued)
    with pytest.raises(DatasetBuilding):
        registry.lookup("long")
    assert registry.info("long").failure is None


def test_the_lease_is_renewed_before_each_picture(start: Start, encoder: HashEncoder, url: str) -> None:
    leases: list[float] = []

    def look(_data: bytes) -> None:
        with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
            leases.append(database.execute("SELECT lease_until FROM prototype_builds").fetchone()[0])

    encoder.before_picture = look
    registry = start(encoder, background=1)
    registry.register("long", LONG, replace=False, pictures=ALL)
    until_ready(registry, "long")
    assert len(set(leases)) == 8


def test_a_list_with_pictures_is_not_used_unsaved(encoder: HashEncoder) -> None:
    assert unsaved_dataset(DatasetSpec((ClassEntry("dog"),)), encoder.embed).prototypes[0] == pytest.approx(
        name_of("dog"), abs=1e-6
    )
    with pytest.raises(ValueError, match="registered dataset"):
        unsaved_dataset(MIXED, encoder.embed)


def test_names_with_unlike_numbers_of_prompts_stand_beside_pictures(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder, background=1000, chunk=100)
    spec = DatasetSpec((pictured("cup", THREE, weight=1.0), ClassEntry("dog", ("x", "y")), ClassEntry("cat")))
    registry.register("mixed", spec, replace=False, pictures=ALL)
    expected = [picture_vector(THREE), unit(vector_of("x") + vector_of("y")), name_of("cat")]
    assert registry.lookup("mixed").prototypes == pytest.approx(np.stack(expected), abs=1e-6)


def test_names_alone_are_stored_as_before(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder, shared_space=False)
    registry.register("names", DatasetSpec((ClassEntry("cat"), ClassEntry("dog"))), replace=False)
    assert registry.lookup("names").prototypes == pytest.approx(np.stack([name_of("cat"), name_of("dog")]), abs=1e-6)
