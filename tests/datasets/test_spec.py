import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.checks import LONGEST_NAME
from service.datasets.fingerprints import fingerprint, from_json, texts_key_of, to_json, version_of
from service.datasets.spec import ClassEntry, DatasetSpec, check_dataset_name, clean_name
from service.errors import InvalidFields
from service.recognition.calibration import Calibration
from service.recognition.priors import Prior

CAT, DOG = ClassEntry("cat"), ClassEntry("dog", ("a loyal dog",))
SPEC = DatasetSpec((CAT, DOG), localizer_prompts=("animal",), box_threshold=0.25)


@pytest.mark.parametrize(
    ("change", "field", "word"),
    [
        ({"classes": ()}, "classes", "at least one"),
        ({"classes": (CAT, ClassEntry(" "))}, "classes[1].name", "blank"),
        ({"classes": (CAT, DOG, CAT)}, "classes[2].name", "duplicate of classes[0]"),
        ({"classes": (ClassEntry("x" * (LONGEST_NAME + 1)),)}, "classes[0].name", "at most"),
        ({"classes": (ClassEntry("a\nb"),)}, "classes[0].name", "control"),
        ({"classes": (ClassEntry("a", ("b", "")),)}, "classes[0].prompts[1]", "blank"),
        ({"classes": (ClassEntry("a", ("b",) * 201),)}, "classes[0].prompts", "at most"),
        ({"templates": ()}, "templates", "1 to"),
        ({"templates": ("a {}", "a photo")}, "templates[1]", "has no {}"),
        ({"templates": (" ",)}, "templates[0]", "blank"),
        ({"localizer_prompts": ("cat", "")}, "localizer_prompts[1]", "blank"),
        ({"localizer_prompts": ("cat",) * 101}, "localizer_prompts", "at most"),
        ({"localizer_prompt_mode": "shuffled"}, "localizer_prompt_mode", "not known"),
        ({"box_threshold": 1.5}, "box_threshold", "[0, 1]"),
        ({"box_margin": float("nan")}, "box_margin", "[0, 1]"),
        ({"fusion": "best"}, "fusion", "not known"),
        ({"priors": {"a\x00": Prior("counts", {"x": {"cat": 1}})}}, "priors.a\x00", "control"),
        ({"priors": {"a": Prior("counts", {"x\ud800": {"cat": 1}})}}, "priors.a.x\ud800", "control"),
        ({"priors": {"a": Prior("counts", {" ": {"cat": 1}})}}, "priors.a. ", "blank"),
        ({"calibration": Calibration(("full", "middle"))}, "calibration.branches[1]", "'middle' is not known"),
        ({"calibration": Calibration(("full", "full"))}, "calibration.branches[1]", "twice"),
        (
            {"calibration": Calibration(("full",), temperatures={"fg": (1.0,)})},
            "calibration.temperatures",
            "'fg' is none of the branches",
        ),
        (
            {"calibration": Calibration(temperatures={"\ud800": (1.0,)})},
            "calibration.temperatures",
            "'\\ud800' is none",
        ),
        (
            {"calibration": Calibration(("full", "fg"), weights={"full": 0.5, "fg_mask": 0.5})},
            "calibration.weights",
            "'fg_mask' is none of the branches",
        ),
        (
            {"calibration": Calibration(("middle",), class_weights={"middle": (1.0, 1.0)})},
            "calibration.branches[0]",
            "'middle' is not known",
        ),
    ],
)
def test_every_bad_field_is_named_with_its_item(change: dict[str, object], field: str, word: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        replace(SPEC, **change)
    assert [problem for problem in caught.value.problems if problem.field == field and word in problem.detail]


def test_choices_are_listed_where_a_name_is_not_known() -> None:
    with pytest.raises(InvalidFields) as caught:
        replace(SPEC, fusion="best")
    assert caught.value.problems[0].allowed is not None
    assert "max_confidence" in caught.value.problems[0].allowed


@pytest.mark.parametrize("name", ["", "a b", "a/b", ".hidden", "x" * 101, "käse", "a\n"])
def test_a_name_that_cannot_stand_in_an_address_is_refused(name: str) -> None:
    with pytest.raises(InvalidFields):
        check_dataset_name(name)


@pytest.mark.parametrize("name", ["a", "dogs-2.1_x", "X" * 100])
def test_a_plain_name_is_accepted(name: str) -> None:
    check_dataset_name(name)


def test_class_names_have_one_spelling() -> None:
    assert clean_name("  cafe\u0301  au   lait ") == "café au lait"


def test_own_prompts_replace_the_templates() -> None:
    assert SPEC.texts(CAT) == ["A photo of a cat"]
    assert SPEC.texts(DOG) == ["a loyal dog"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), values, max_size=5), st.randoms())
def test_a_fingerprint_does_not_depend_on_the_order_of_keys(document: dict[str, object], random: object) -> None:
    keys = list(document)
    random.shuffle(keys)  # type: ignore[attr-defined]
    assert fingerprint({key: document[key] for key in keys}) == fingerprint(document)


@given(st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, unique=True))
def test_a_version_survives_storage_and_changes_with_any_class(names: list[str]) -> None:
    spec = DatasetSpec(tuple(ClassEntry(name) for name in names))
    assert from_json(to_json(spec)) == spec
    assert version_of(from_json(to_json(spec))) == version_of(spec)
    assert version_of(replace(spec, classes=(*spec.classes, ClassEntry("new")))) != version_of(spec)


@pytest.mark.parametrize("change", [{"box_threshold": 0.5}, {"fusion": "average"}, {"localizer_prompts": ("x",)}])
def test_settings_change_the_version_but_not_the_texts(change: dict[str, object]) -> None:
    changed = replace(SPEC, **change)
    assert version_of(changed) != version_of(SPEC)
    assert texts_key_of(changed) == texts_key_of(SPEC)


def test_templates_change_the_texts() -> None:
    assert texts_key_of(replace(SPEC, templates=("{}",))) != texts_key_of(SPEC)


def test_stored_specs_are_plain_json() -> None:
    assert json.loads(to_json(SPEC))["classes"][1] == {"name": "dog", "prompts": ["a loyal dog"]}
