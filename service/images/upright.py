"""From decoded pixels to the array that the models look at: sRGB, upright, no larger than wanted."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.images.colour import converter
from service.images.depth import bands

SHORTEST_SIDE = 1024
MOST_PIXELS = 8_000_000  # of a strip, whose shortest side would be kept at any length
MOST_REDUCED = 8  # what a JPEG's blocks allow
DIRECT_PIXELS = 4_000_000  # up to these, speed is worth more than the copies' memory
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def reduction(width: int, height: int, working_pixels: int) -> int:
    """By how much to divide the sides of a picture: 1, 2, 4 or 8 (`ImageLimits.working_pixels`)."""
    by = 1
    while by < MOST_REDUCED and width * height > working_pixels * by**2:
        thin = min(width, height) < SHORTEST_SIDE * by * 2
        if thin and width * height <= max(working_pixels, MOST_PIXELS) * by**2:
            break
        by *= 2
    return by


def upright(image: Image.Image, turn: int, by: int) -> NDArray[np.uint8]:
    """A loaded picture as read-only sRGB [H, W, 3], turned by its EXIF orientation, its sides divided by `by`.

    Each pixel of the result is the mean of a square; at the far edges of what is left of one.
    """
    convert = converter(image)
    if convert is None and by == 1 and image.width * image.height <= DIRECT_PIXELS:
        return np.asarray(image.transpose(TURNS[turn]) if turn in TURNS else image)
    size = (-(-image.height // by), -(-image.width // by))
    rgb = np.empty((*(size[::-1] if turn >= 5 else size), 3), np.uint8)
    # The view of the result that has the stored picture's axes
    stored = rgb[:, ::-1] if turn in (2, 3, 6, 7) else rgb
    stored = stored[::-1] if turn in (3, 4, 7, 8) else stored
    stored = stored.swapaxes(0, 1) if turn >= 5 else stored
    # Strip by strip, straight into place: only the decoded picture and the result are ever whole in memory
    for top, rows in bands(image, by):
        srgb = convert(rows) if convert else rows
        shown = srgb.reduce(by) if by > 1 else srgb
        stored[top // by : top // by + shown.height] = np.asarray(shown)
    rgb.setflags(write=False)
    return rgb
