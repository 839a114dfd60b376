"""Equation 5 of L2R2 against a loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.recognition.candidates import CANDIDATE_FUSIONS, aggregated_logits, combined_logits

CLASSES = 6
logits = hnp.arrays(np.float32, CLASSES, elements=st.floats(-50, 50, width=32))


@st.composite
def found_views(draw: st.DrawFn) -> tuple[list[np.ndarray | None], np.ndarray, list[int]]:
    places = draw(st.lists(st.integers(0, CLASSES - 1), unique=True, min_size=1))
    return [draw(st.none() | logits) for _ in places], draw(logits), places


@given(found_views())
def test_a_candidates_logit_is_its_own_classs_in_the_view_that_it_found(
    drawn: tuple[list[np.ndarray | None], np.ndarray, list[int]],
) -> None:
    views, full, places = drawn
    expected = []
    for number, place in enumerate(places):
        view = views[number]
        expected.append(full[place] if view is None else view[place])
    aggregated = aggregated_logits(views, full, places)
    assert aggregated.dtype == np.float32
    assert aggregated.tolist() == [float(value) for value in expected]


@given(logits, st.lists(st.integers(0, CLASSES - 1), unique=True, min_size=1))
def test_the_full_picture_stands_in_where_nothing_was_found(full: np.ndarray, places: list[int]) -> None:
    assert np.array_equal(aggregated_logits([None] * len(places), full, places), full[places])


def test_every_candidate_needs_a_view() -> None:
    with pytest.raises(ValueError, match="zip"):
        aggregated_logits([None], np.zeros(3, np.float32), [0, 1])


@given(st.lists(logits, min_size=1, max_size=4), st.sampled_from(CANDIDATE_FUSIONS))
def test_branches_are_combined_entry_by_entry(rows: list[np.ndarray], fusion: str) -> None:
    combined = combined_logits({str(number): row for number, row in enumerate(rows)}, fusion)
    for place, value in enumerate(combined):
        column = [float(row[place]) for row in rows]
        expected = max(column) if fusion == "max" else sum(column) / len(column)
        assert value == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("fusion", CANDIDATE_FUSIONS)
@given(row=logits)
def test_one_branch_alone_is_itself(fusion: str, row: np.ndarray) -> None:
    assert np.array_equal(combined_logits({"full": row}, fusion), row)


def test_another_fusion_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'min' is none of max, average"):
        combined_logits({"full": np.zeros(2, np.float32)}, "min")
