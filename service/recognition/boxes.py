"""Boxes in pixels: half-open rectangles `[x0, x1) x [y0, y1)` with the origin at the top left."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels with a positive area."""

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(edge) for edge in (self.x0, self.y0, self.x1, self.y1)):
            raise ValueError(f"a box has finite edges, not {self}")
        if self.x1 <= self.x0 or self.y1 <= self.y0:
            raise ValueError(f"a box has a positive width and height, not {self}")

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        return self.width * self.height

    def scaled(self, x_factor: float, y_factor: float) -> "Box":
        return Box(self.x0 * x_factor, self.y0 * y_factor, self.x1 * x_factor, self.y1 * y_factor)

    def widened(self, margin: float) -> "Box":
        """Every side moved outwards by `margin` times the box's extent along that axis."""
        dx, dy = self.width * margin, self.height * margin
        return Box(self.x0 - dx, self.y0 - dy, self.x1 + dx, self.y1 + dy)


@dataclass(frozen=True)
class Detection:
    """A located object: its box, the localizer's score in [0, 1], and the prompt that found it (if any).

    mask: for localizers that see one, its levels over the whole picture, uint8 `[h, w]` at any resolution, 255 inside.
    is_group: whether it is several objects together, each of which is listed too.
    """

    box: Box
    score: float
    prompt: str | None = None
    mask: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)
    is_group: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"a score lies in [0, 1], not {self.score}")

    def scaled(self, x_factor: float, y_factor: float) -> "Detection":
        return replace(self, box=self.box.scaled(x_factor, y_factor))


def clipped(box: Box, width: int, height: int) -> Box | None:
    """The part of `box` inside a picture of that size in pixels, or None where nothing is left."""
    x0, y0 = max(box.x0, 0.0), max(box.y0, 0.0)
    x1, y1 = min(box.x1, float(width)), min(box.y1, float(height))
    return Box(x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def outward_pixels(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """`x0, y0, x1, y1` of the whole pixels that `box` touches inside the picture; at least one pixel either way."""
    x0 = min(max(math.floor(box.x0), 0), width - 1)
    y0 = min(max(math.floor(box.y0), 0), height - 1)
    return x0, y0, max(min(math.ceil(box.x1), width), x0 + 1), max(min(math.ceil(box.y1), height), y0 + 1)


def mask_extent(mask: NDArray[np.bool_]) -> Box | None:
    """The smallest box around the true cells of `mask [H, W]`, in its own cells; None for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    return Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def intersection_over_union(first: Box, second: Box) -> float:
    """Shared area over joint area, in [0, 1]."""
    width = min(first.x1, second.x1) - max(first.x0, second.x0)
    height = min(first.y1, second.y1) - max(first.y0, second.y0)
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (first.area + second.area - shared)


def without_duplicates(detections: Sequence[Detection], most_overlap: float) -> list[Detection]:
    """Greedy non-maximum suppression: best first, those that overlap a better one by more than that IoU left out."""
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda found: -found.score):
        if all(intersection_over_union(detection.box, other.box) <= most_overlap for other in kept):
            kept.append(detection)
    return kept
