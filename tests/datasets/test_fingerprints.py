import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.fingerprints import fingerprint, from_json, texts_key_of, to_json, version_of
from service.datasets.spec import ClassEntry, DatasetSpec
from service.recognition.calibration import Calibration, Network
from service.recognition.priors import Prior

ONE, OTHER = "1" * 64, "2" * 64
CAT, DOG = ClassEntry("cat"), ClassEntry("dog", ("a loyal dog",))
NAMES = DatasetSpec((CAT, DOG), localizer_prompts=("animal",), box_threshold=0.25)
PICTURED = DatasetSpec((ClassEntry("cat", pictures=(ONE, OTHER), picture_weight=0.25), DOG))
EVERYTHING = replace(
    PICTURED,
    branches=("full", "fg"),
    pad_colour="black",
    priors={"month": Prior("counts", {"May": {"cat": 3.0}}, smoothing=0.5)},
    class_prior={"cat": 0.75, "dog": 0.25},
    calibration=Calibration(
        branches=("full", "fg"),
        temperatures={"full": (1.5,), "fg": (2.0, 3.0)},
        threshold=0.5,
        weights={"full": 0.25, "fg": 0.75},
        network=Network(((1.0, 0.0),) * 4, (0.0, 0.5)),
    ),
)


def test_a_version_is_what_it_was_before_there_were_further_fields() -> None:
    first_fields = {
        "classes": [{"name": "cat", "prompts": []}, {"name": "dog", "prompts": ["a loyal dog"]}],
        "templates": ["A photo of a {}"],
        "localizer_prompts": ["animal"],
        "localizer_prompt_mode": None,
        "box_threshold": 0.25,
        "box_margin": None,
        "encoder": None,
        "fusion": "max_confidence",
    }
    assert version_of(NAMES) == fingerprint(first_fields)
    assert json.loads(to_json(NAMES)) == first_fields
    assert texts_key_of(NAMES) == fingerprint({"texts": [["A photo of a cat"], ["a loyal dog"]]})


@pytest.mark.parametrize("spec", [NAMES, PICTURED, EVERYTHING])
def test_storage_gives_back_the_same_values_of_the_same_types(spec: DatasetSpec) -> None:
    again = from_json(to_json(spec))
    assert again == spec
    assert version_of(again) == version_of(spec)
    assert isinstance(again.classes[0], ClassEntry)
    assert isinstance(again.calibration, Calibration)
    assert all(isinstance(prior, Prior) for prior in again.priors.values())
    assert all(isinstance(row, tuple) for row in again.calibration.temperatures.values())


def test_a_nested_field_at_its_default_is_not_stored() -> None:
    document = json.loads(to_json(EVERYTHING))
    assert document["classes"][1] == {"name": "dog", "prompts": ["a loyal dog"]}
    assert "class_weights" not in document["calibration"]
    assert "cascade" not in document


@pytest.mark.parametrize(
    "change",
    [
        {"calibration": Calibration(("full",), temperatures={"full": (1.5,)})},
        {"priors": {"month": Prior("counts", {"May": {"cat": 1.0}})}},
        {"classes": (replace(PICTURED.classes[0], picture_weight=0.5), DOG)},
        {"classes": (replace(PICTURED.classes[0], pictures=(OTHER, ONE)), DOG)},
        {"cascade": 0.9},
    ],
)
def test_whatever_changes_an_answer_changes_the_version(change: dict[str, object]) -> None:
    assert version_of(replace(PICTURED, **change)) != version_of(PICTURED)


def test_a_number_is_the_same_version_however_it_is_written() -> None:
    one, same = replace(PICTURED, box_threshold=1), replace(PICTURED, box_threshold=1.0)
    assert version_of(one) == version_of(same) == version_of(from_json(to_json(one)))


@pytest.mark.parametrize(
    ("change", "is_other"),
    [
        ({"classes": (replace(PICTURED.classes[0], pictures=(ONE,)), DOG)}, True),
        ({"classes": (replace(PICTURED.classes[0], picture_weight=1.0), DOG)}, True),  # without the name
        ({"classes": (replace(PICTURED.classes[0], picture_weight=0.75), DOG)}, False),
        ({"classes": (DOG, PICTURED.classes[0])}, True),
        ({"localizer_prompts": ("animal",)}, True),
        ({"localizer_prompt_mode": "joined"}, True),
        ({"box_threshold": 0.5}, False),
        ({"calibration": Calibration(("full",), temperatures={"full": (1.5,)})}, False),
    ],
)
def test_what_is_embedded_depends_on_texts_pictures_and_what_is_looked_for(
    change: dict[str, object], is_other: bool
) -> None:
    assert (texts_key_of(replace(PICTURED, **change)) != texts_key_of(PICTURED)) is is_other


@given(st.lists(st.sampled_from(["1", "2", "3"]), min_size=1, max_size=4))
def test_pictures_of_a_class_and_of_the_next_are_told_apart(places: list[str]) -> None:
    digests = tuple(place * 64 for place in places)
    whole = DatasetSpec((ClassEntry("a", pictures=digests), ClassEntry("b")))
    for cut in range(len(digests)):
        split = DatasetSpec((ClassEntry("a", pictures=digests[:cut]), ClassEntry("b", pictures=digests[cut:])))
        assert texts_key_of(split) != texts_key_of(whole)
