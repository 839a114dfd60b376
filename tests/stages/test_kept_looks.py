"""Kept looks become what calibration learns from."""

import numpy as np
import pytest
from fakes import dataset_of, units

from service.errors import InvalidFields
from service.stages.sampling import places_of, samples_of

DATASET = dataset_of("red", "green", "blue")
BRANCHES = ("full", "fg")


def test_labels_become_places_and_none_is_none_of_them() -> None:
    assert places_of(["green", None, "red", "green"], DATASET) == [1, -1, 0, 1]
    assert places_of([], DATASET) == []


def test_labels_that_are_no_class_are_named_with_the_classes() -> None:
    with pytest.raises(InvalidFields) as caught:
        places_of(["green", "pink", None, "", "red"], DATASET, "pictures")
    assert [problem.field for problem in caught.value.problems] == ["pictures[1].label", "pictures[3].label"]
    assert "'pink'" in caught.value.problems[0].detail
    assert all(problem.allowed == ("red", "green", "blue") for problem in caught.value.problems)


def test_no_more_than_fifty_strange_labels_are_listed() -> None:
    with pytest.raises(InvalidFields) as caught:
        places_of([str(number) for number in range(80)], DATASET)
    assert len(caught.value.problems) == 50


def test_looks_become_scaled_cosines_and_what_was_not_seen_is_absent() -> None:
    rows = units(np.array([[3, 4, 0], [0, 1, 0], [1, 1, 1]], np.float32))
    looks = [{"full": rows[0], "fg": rows[1], "bg_box": rows[2]}, {"fg": rows[2]}]
    samples = samples_of(looks, [0.5, None], [1, -1], BRANCHES, DATASET, 100.0)
    assert samples.names == BRANCHES
    assert samples.present.tolist() == [[True, True], [False, True]]
    assert samples.truth.tolist() == [1, -1]
    assert samples.box_scores[0] == 0.5
    assert np.isnan(samples.box_scores[1])
    assert samples.logits[0] == pytest.approx(np.array([[60, 80, 0], [0, 100, 0]]), abs=1e-4)
    assert samples.logits[1, 1] == pytest.approx(np.full(3, 100 / 3**0.5), rel=1e-5)
