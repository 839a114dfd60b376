import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_samples import drawn_logits, labels_of, overconfident, samples_of

from service.calibration.samples import Samples, check, check_held_out, split
from service.errors import InvalidFields

truths = st.lists(st.integers(-1, 4), max_size=60).map(lambda numbers: np.array(numbers, np.intp))


@given(truth=truths, share=st.floats(0.01, 0.99), seed=st.integers(0, 99))
def test_every_class_of_two_pictures_is_in_both_parts_and_no_picture_in_two(
    truth: np.ndarray, share: float, seed: int
) -> None:
    fit, held_out = split(truth, share, seed)
    assert sorted([*fit, *held_out]) == np.flatnonzero(truth >= 0).tolist()
    for label in range(5):
        count, out = int((truth == label).sum()), int((truth[held_out] == label).sum())
        if count > 1:
            assert 1 <= out <= count - 1
            assert abs(out - share * count) <= 1
        else:
            assert out == 0
    again = split(truth, share, seed)
    assert np.array_equal(fit, again[0])
    assert np.array_equal(held_out, again[1])


@given(truth=truths, seed=st.integers(0, 99))
def test_renaming_the_classes_changes_no_part(truth: np.ndarray, seed: int) -> None:
    renamed = np.where(truth >= 0, 4 - truth, truth)
    assert np.array_equal(split(truth, 0.5, seed)[1], split(renamed, 0.5, seed)[1])


def test_another_seed_divides_otherwise() -> None:
    truth = np.arange(100) % 4
    assert not np.array_equal(split(truth, 0.5, 0)[1], split(truth, 0.5, 1)[1])


def test_a_picture_shows_a_fusion_the_branches_that_saw_it_and_the_score_of_its_box() -> None:
    logits = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    present = np.array([[True, True], [True, False]])
    samples = samples_of(logits, np.array([0, 1]), present=present, box_scores=np.array([0.5, np.nan]))
    first, second = samples.evidence()
    assert (first.names, first.box_score) == (("full", "fg"), 0.5)
    assert np.array_equal(first.logits, logits[0])
    assert (second.names, second.box_score) == (("full",), None)
    assert np.array_equal(second.logits, logits[1, :1])
    assert samples.of(1)[1].tolist() == [0]
    assert samples.complete().truth.tolist() == [0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ("full",)}, "4 pictures and 1 branches"),
        ({"logits": np.zeros((4, 2), np.float32)}, "logits"),
        ({"logits": np.zeros((3, 2, 3), np.float32)}, "for 4 pictures"),
        ({"present": np.ones((4, 3), bool)}, "every picture"),
        ({"box_scores": np.zeros(3, np.float32)}, "every picture"),
        ({"truth": np.array([0, 1, 2, 3])}, "one of 3, or -1"),
        ({"truth": np.array([0, 1, 2, -2])}, "one of 3, or -1"),
        ({"present": np.array([[True, True]] * 3 + [[False, False]])}, "at least one view"),
    ],
)
def test_arrays_that_do_not_fit_together_are_no_samples(changes: dict[str, object], message: str) -> None:
    fields = {
        "names": ("full", "fg"),
        "logits": np.zeros((4, 2, 3), np.float32),
        "present": np.ones((4, 2), bool),
        "truth": np.array([0, 1, 2, -1]),
        "box_scores": np.full(4, np.nan, np.float32),
    }
    assert len(Samples(**fields).truth) == 4
    with pytest.raises(ValueError, match=message):
        Samples(**{**fields, **changes})


def test_no_pictures_are_samples_too() -> None:
    none = np.zeros(0)
    samples = samples_of(np.zeros((0, 2, 3)), none, box_scores=none)
    assert samples.evidence() == []
    with pytest.raises(InvalidFields, match="there are 0"):
        check(samples, ["a", "b", "c"])


def test_few_pictures_are_refused_with_what_is_needed() -> None:
    logits, truth = drawn_logits(30, 3, seed=0)
    truth[19:] = -1
    with pytest.raises(InvalidFields, match="needs 20 pictures of the dataset's classes; there are 19") as refusal:
        check(samples_of(logits[:, None], truth, ("full",)), ["a", "b", "c"])
    assert refusal.value.problems[0].field == "items"


def test_pictures_of_one_class_are_refused() -> None:
    logits, _ = drawn_logits(30, 3, seed=0)
    with pytest.raises(InvalidFields, match="of 2 classes; all are of 'beagle'"):
        check(samples_of(logits[:, None], np.ones(30), ("full",)), ["akita", "beagle", "collie"])


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_refused_where_they_count(number: float) -> None:
    samples = overconfident(30)
    samples.logits[7, 1, 2] = number
    with pytest.raises(InvalidFields, match=r"items\[7\]: the logits of branch 'fg' are not finite"):
        check(samples, labels_of(samples))
    samples.present[7, 1] = False
    check(samples, labels_of(samples))
    samples.box_scores[3] = np.nan  # no box
    check(samples, labels_of(samples))
    samples.box_scores[3] = math.inf
    with pytest.raises(InvalidFields, match=r"items\[3\]: the box's score"):
        check(samples, labels_of(samples))


def test_labels_are_as_many_as_logits() -> None:
    with pytest.raises(ValueError, match="3 labels for 4 logits"):
        check(overconfident(30), ["a", "b", "c"])


def test_a_measure_needs_pictures_held_out() -> None:
    check_held_out(5)
    with pytest.raises(InvalidFields, match=r"at least 5 pictures .* here it could hold back 4"):
        check_held_out(4)
