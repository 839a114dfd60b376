"""The pictures that the encoder sees of one photograph (L2R2, sections 3.1 and 4.3; B.2, input options 1 and 2)."""

import numpy as np
from numpy.typing import NDArray

from service.recognition.boxes import Box, outward_pixels

FULL = "full"
FG = "fg"
BRANCHES = (FULL, FG)

Rgb = tuple[int, int, int]


def crop(rgb: NDArray[np.uint8], box: Box, margin: float = 0.0) -> NDArray[np.uint8]:
    """The pixels of `rgb [H, W, 3]` that `box`, widened by `margin`, touches."""
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = outward_pixels(box.widened(margin), width, height)
    return rgb[y0:y1, x0:x1]


def padded_square(rgb: NDArray[np.uint8], colour: Rgb) -> NDArray[np.uint8]:
    """`rgb [H, W, 3]` centred in a square of its longer side `[S, S, 3]`, the rest filled with `colour`."""
    height, width = rgb.shape[:2]
    side = max(height, width)
    square = np.empty((side, side, 3), np.uint8)
    square[:] = colour
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = rgb
    return square


def foreground(rgb: NDArray[np.uint8], box: Box, colour: Rgb, margin: float = 0.0) -> NDArray[np.uint8]:
    """The fg view: the box's crop, padded to a square so that its aspect ratio is kept (section 4.2)."""
    return padded_square(crop(rgb, box, margin), colour)
