import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.recognition.boxes import (
    Box,
    Detection,
    clipped,
    intersection_over_union,
    mask_extent,
    outward_pixels,
    without_duplicates,
)

coordinates = st.floats(-500, 500).map(lambda value: round(value, 3))


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x0, y0 = draw(coordinates), draw(coordinates)
    return Box(x0, y0, x0 + draw(st.floats(0.01, 400)), y0 + draw(st.floats(0.01, 400)))


@pytest.mark.parametrize("edges", [(0, 0, 0, 1), (0, 0, 1, 0), (2, 0, 1, 1), (0, 2, 1, 1)])
def test_a_box_without_area_cannot_be_built(edges: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="positive width and height"):
        Box(*edges)


@pytest.mark.parametrize("edge", [math.nan, math.inf])
def test_a_box_with_an_edge_that_is_no_number_cannot_be_built(edge: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Box(0, 0, edge, 1)


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan])
def test_a_score_outside_its_range_cannot_be_built(score: float) -> None:
    with pytest.raises(ValueError, match="score"):
        Detection(Box(0, 0, 1, 1), score)


@given(boxes(), st.integers(1, 300), st.integers(1, 300))
def test_a_clipped_box_lies_in_the_picture_and_in_the_box(box: Box, width: int, height: int) -> None:
    inside = clipped(box, width, height)
    if inside is None:
        assert box.x1 <= 0 or box.y1 <= 0 or box.x0 >= width or box.y0 >= height
        return
    assert max(box.x0, 0) == inside.x0
    assert max(box.y0, 0) == inside.y0
    assert min(box.x1, width) == inside.x1
    assert min(box.y1, height) == inside.y1


@given(boxes(), st.integers(1, 300), st.integers(1, 300))
def test_outward_pixels_are_whole_pixels_in_the_picture(box: Box, width: int, height: int) -> None:
    x0, y0, x1, y1 = outward_pixels(box, width, height)
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height
    inside = clipped(box, width, height)
    if inside is not None:
        assert x0 <= inside.x0 < inside.x1 <= x1
        assert y0 <= inside.y0 < inside.y1 <= y1


@given(boxes(), st.floats(0, 1))
def test_a_widened_box_keeps_its_centre_and_grows_by_the_margin(box: Box, margin: float) -> None:
    wide = box.widened(margin)
    assert (wide.x0 + wide.x1) / 2 == pytest.approx((box.x0 + box.x1) / 2, abs=1e-6)
    assert wide.width == pytest.approx(box.width * (1 + 2 * margin))
    assert wide.height == pytest.approx(box.height * (1 + 2 * margin))


@given(boxes(), st.floats(0.1, 8), st.floats(0.1, 8))
def test_scaling_multiplies_the_area(box: Box, x_factor: float, y_factor: float) -> None:
    scaled = Detection(box, 0.5, "cat").scaled(x_factor, y_factor)
    assert scaled.box.area == pytest.approx(box.area * x_factor * y_factor)
    assert (scaled.score, scaled.prompt) == (0.5, "cat")


@given(hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_the_extent_of_a_mask_is_the_smallest_box_around_it(mask: np.ndarray) -> None:
    extent = mask_extent(mask)
    if not mask.any():
        assert extent is None
        return
    rows, columns = np.nonzero(mask)
    assert extent == Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


@given(boxes())
def test_scaling_there_and_back_changes_nothing(box: Box) -> None:
    assume(box.width > 0.1)
    assume(box.height > 0.1)
    back = box.scaled(2.0, 4.0).scaled(0.5, 0.25)
    assert back == box


def test_known_boxes_are_clipped_or_gone() -> None:
    assert clipped(Box(-5, -5, 3, 4), 10, 10) == Box(0, 0, 3, 4)
    assert clipped(Box(20, 0, 30, 5), 10, 10) is None


def test_the_extent_of_known_masks() -> None:
    mask = np.zeros((4, 5), bool)
    assert mask_extent(mask) is None
    mask[1, 2] = mask[3, 4] = True
    assert mask_extent(mask) == Box(2, 1, 5, 4)


cells = st.integers(0, 8)


@st.composite
def whole_boxes(draw: st.DrawFn) -> Box:
    x0, y0 = draw(cells), draw(cells)
    return Box(x0, y0, x0 + draw(st.integers(1, 5)), y0 + draw(st.integers(1, 5)))


@st.composite
def detections(draw: st.DrawFn) -> list[Detection]:
    scores = st.sampled_from([0.1, 0.3, 0.3, 0.5, 0.9])
    return [Detection(draw(whole_boxes()), draw(scores), str(number)) for number in range(draw(st.integers(0, 8)))]


def pixels_of(box: Box) -> set[tuple[int, int]]:
    return {(x, y) for x in range(int(box.x0), int(box.x1)) for y in range(int(box.y0), int(box.y1))}


@given(whole_boxes(), whole_boxes())
def test_the_overlap_of_whole_boxes_is_that_of_their_pixels(first: Box, second: Box) -> None:
    one, other = pixels_of(first), pixels_of(second)
    expected = len(one & other) / len(one | other)
    assert intersection_over_union(first, second) == pytest.approx(expected)


@given(boxes(), boxes())
def test_the_overlap_is_symmetric_and_between_nothing_and_all(first: Box, second: Box) -> None:
    overlap = intersection_over_union(first, second)
    assert 0 <= overlap <= 1
    assert overlap == pytest.approx(intersection_over_union(second, first))
    assert intersection_over_union(first, first) == 1


@given(whole_boxes(), whole_boxes(), st.floats(0.1, 9), st.floats(0.1, 9))
def test_the_overlap_does_not_depend_on_the_unit(first: Box, second: Box, x: float, y: float) -> None:
    plain = intersection_over_union(first, second)
    assert intersection_over_union(first.scaled(x, y), second.scaled(x, y)) == pytest.approx(plain, abs=1e-9)


def test_boxes_that_only_meet_do_not_overlap() -> None:
    assert intersection_over_union(Box(0, 0, 2, 2), Box(2, 0, 4, 2)) == 0
    assert intersection_over_union(Box(0, 0, 2, 2), Box(5, 5, 6, 6)) == 0
    assert intersection_over_union(Box(0, 0, 2, 2), Box(1, 0, 3, 2)) == pytest.approx(1 / 3)


@given(detections(), st.floats(0, 1))
def test_what_is_kept_overlaps_little_and_what_is_dropped_overlaps_something_better(
    found: list[Detection], most: float
) -> None:
    kept = without_duplicates(found, most)
    assert [entry.score for entry in kept] == sorted((entry.score for entry in kept), reverse=True)
    for place, entry in enumerate(kept):
        assert all(intersection_over_union(entry.box, other.box) <= most for other in kept[:place])
    prompts = {entry.prompt for entry in kept}
    for entry in found:
        if entry.prompt not in prompts:
            better = [other for other in kept if other.score >= entry.score]
            assert any(intersection_over_union(entry.box, other.box) > most for other in better)


@given(detections(), st.floats(0, 1))
def test_suppressing_duplicates_twice_changes_nothing(found: list[Detection], most: float) -> None:
    kept = without_duplicates(found, most)
    assert without_duplicates(kept, most) == kept


@given(detections())
def test_the_best_is_always_kept_and_everything_where_any_overlap_is_allowed(found: list[Detection]) -> None:
    assert sorted(entry.prompt for entry in without_duplicates(found, 1.0)) == sorted(entry.prompt for entry in found)
    if found:
        assert without_duplicates(found, 0.0)[0] is max(found, key=lambda entry: entry.score)


def test_of_equally_good_duplicates_the_first_stays() -> None:
    twins = [Detection(Box(0, 0, 2, 2), 0.5, "first"), Detection(Box(0, 0, 2, 2), 0.5, "second")]
    assert [entry.prompt for entry in without_duplicates(twins, 0.5)] == ["first"]


def test_a_scaled_detection_keeps_its_mask() -> None:
    mask = np.full((2, 3), 255, np.uint8)
    assert Detection(Box(0, 0, 3, 2), 0.5, None, mask).scaled(2, 2).mask is mask
