"""Figures of a found object that tell likely errors of locating and segmenting: pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from service.recognition.boxes import Box, Detection, intersection_over_union, outward_pixels
from service.recognition.views import Mask

MOST_SHARED = 0.1  # of the smaller box's area: boxes that share more show the same object, or a part of it
PIECES_SIDE_PX = 512  # large pieces are counted on a coarser mask
TOUCHING = np.ones((3, 3), np.int8)  # pixels that meet at a corner are one piece


@dataclass(frozen=True)
class Measures:
    """All but the score are shares of an area or a length, or ratios, in [0, 1].

    score: the localizer's. area: of the picture, under the mask. fill: of the box, under the mask; None where no model
    saw a mask. second_piece: the mask's second largest connected piece against its largest. border: of the picture's
    outermost pixels, under the mask. rival: the score of the best box that shows something else against the best's.
    """

    score: float
    area: float
    fill: float | None
    second_piece: float
    border: float
    rival: float


def fill_of(mask: Mask, box: Box) -> float:
    """The share of the pixels that `box` touches that lie in `mask [H, W]`."""
    x0, y0, x1, y1 = outward_pixels(box, mask.shape[1], mask.shape[0])
    return float(mask[y0:y1, x0:x1].mean())


def second_piece_of(mask: Mask) -> float:
    """Pixels of the second largest connected piece of `mask [H, W]` against those of the largest."""
    step = -(-max(mask.shape) // PIECES_SIDE_PX)
    labels, count = ndimage.label(mask[::step, ::step], TOUCHING)
    if count < 2:
        return 0.0
    second, first = np.sort(np.bincount(labels.ravel())[1:])[-2:]
    return float(second / first)


def border_of(mask: Mask) -> float:
    """The share of the outermost pixels of `mask [H, W]` that are inside."""
    edge = np.ones_like(mask)
    edge[1:-1, 1:-1] = False
    return float(mask[edge].mean())


def rival_of(detections: Sequence[Detection]) -> float:
    """The best score among the boxes that hardly meet the best one, against the best's; `detections` best first."""
    if not detections or detections[0].score <= 0.0:
        return 0.0
    best = detections[0]
    others = [other.score for other in detections[1:] if _shared(best.box, other.box) <= MOST_SHARED]
    return min(max(others, default=0.0) / best.score, 1.0)


def _shared(first: Box, second: Box) -> float:
    """The area in both boxes, as a share of the smaller one's."""
    overlap = intersection_over_union(first, second)
    return overlap * (first.area + second.area) / (1.0 + overlap) / min(first.area, second.area)
