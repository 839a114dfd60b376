"""What is measured of a found object, and what makes it suspicious."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.errors import InvalidFields
from service.evaluation.cutout.journal import Record
from service.evaluation.cutout.measures import Measures, border_of, fill_of, rival_of, second_piece_of
from service.evaluation.cutout.places import Task
from service.evaluation.cutout.review import REASONS, Reviewed, Thresholds, for_review, reasons_of
from service.evaluation.labelled import Labelled
from service.recognition.boxes import Box, Detection

FINE = Measures(score=0.9, area=0.3, fill=0.7, second_piece=0.0, border=0.0, rival=0.0)
LIMITS = Thresholds(min_score=0.3)


def record(measures: Measures | None = FINE, error: str | None = None) -> Record:
    return Record("a.jpg", "a.png", "1-1", error, measures=measures)


def blobs(*boxes: tuple[int, int, int, int], side: int = 40) -> NDArray[np.bool_]:
    mask = np.zeros((side, side), np.bool_)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask


def test_the_mask_is_measured_against_the_box_it_lies_in() -> None:
    assert fill_of(blobs((0, 0, 10, 10)), Box(0, 0, 10, 20)) == 0.5
    assert fill_of(blobs((0, 0, 10, 10)), Box(0.5, 0.5, 9.5, 9.5)) == 1.0


@pytest.mark.parametrize("scale", [1, 30])
def test_pieces_are_compared_by_size(scale: int) -> None:
    boxes = [(0, 0, 10, 10), (20, 20, 25, 30), (35, 35, 36, 36)]
    mask = blobs(*[tuple(edge * scale for edge in box) for box in boxes], side=40 * scale)  # type: ignore[misc]
    assert second_piece_of(mask) == pytest.approx(0.5, abs=0.05)


def test_pixels_that_meet_at_a_corner_are_one_piece() -> None:
    assert second_piece_of(blobs((0, 0, 10, 10), (10, 10, 20, 20))) == 0.0
    assert second_piece_of(blobs()) == 0.0


def test_the_border_counts_by_its_length() -> None:
    assert border_of(blobs((1, 1, 39, 39))) == 0.0
    assert border_of(blobs((0, 0, 40, 1))) == pytest.approx(40 / 156)
    assert border_of(np.ones((1, 5), np.bool_)) == 1.0


def test_a_rival_is_a_good_box_elsewhere() -> None:
    best = Detection(Box(0, 0, 20, 20), 0.8)
    elsewhere, part, touching = Box(30, 0, 40, 10), Box(5, 5, 10, 10), Box(19, 0, 39, 20)
    assert rival_of([best, Detection(elsewhere, 0.6)]) == pytest.approx(0.75)
    assert rival_of([best, Detection(part, 0.7)]) == 0.0
    assert rival_of([best, Detection(touching, 0.4)]) == pytest.approx(0.5)
    assert rival_of([best]) == rival_of([]) == rival_of([Detection(Box(0, 0, 1, 1), 0.0)]) == 0.0


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({"score": 0.29}, "low_score"),
        ({"area": 0.009}, "tiny"),
        ({"area": 0.91}, "covers_everything"),
        ({"fill": 0.19}, "fills_box_poorly"),
        ({"fill": 0.99}, "fills_box_entirely"),
        ({"fill": None}, "no_mask"),
        ({"second_piece": 0.21}, "several_pieces"),
        ({"border": 0.03}, "touches_border"),
        ({"rival": 0.76}, "several_objects"),
    ],
)
def test_each_likely_error_has_its_name(figures: dict[str, float], reason: str) -> None:
    assert reasons_of(record(replace(FINE, **figures)), LIMITS) == (reason,)
    assert reasons_of(record(), LIMITS) == ()


def test_pictures_without_a_cut_out_are_always_for_review() -> None:
    assert reasons_of(record(None), LIMITS) == ("no_object",)
    assert reasons_of(record(None, "truncated"), LIMITS) == ("failed",)


def test_boxes_are_no_errors_where_no_mask_is_expected() -> None:
    assert reasons_of(record(replace(FINE, fill=None)), replace(LIMITS, expects_mask=False)) == ()


def test_the_most_suspicious_come_first_and_the_clean_not_at_all() -> None:
    def entry(name: str, measures: Measures | None, error: str | None = None) -> Reviewed:
        task = Task(Labelled(Path(name), "x"), name, name)
        return Reviewed(task, record(measures, error), reasons_of(record(measures, error), LIMITS))

    entries = [
        entry("clean", FINE),
        entry("border", replace(FINE, border=0.5)),
        entry("sure", replace(FINE, area=0.001, score=0.8)),
        entry("unsure", replace(FINE, area=0.001, score=0.5)),
        entry("both", replace(FINE, area=0.001, border=0.5)),
        entry("nothing", None),
        entry("broken", None, "truncated"),
    ]
    names = [listed.task.original for listed in for_review(entries)]
    assert names == ["broken", "nothing", "both", "unsure", "sure", "border"]


def test_every_reason_is_explained() -> None:
    assert all(row.summary and row.weight > 0 for row in REASONS.values())


@pytest.mark.parametrize("thresholds", [{"min_score": -0.1}, {"min_area": 1.5}, {"max_rival": float("nan")}])
def test_thresholds_are_shares(thresholds: dict[str, float]) -> None:
    with pytest.raises(InvalidFields, match=r"must lie in \[0, 1\]"):
        Thresholds(**thresholds)
