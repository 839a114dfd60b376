"""From a picture, its object's box and mask to a cut-out: pure, and never squashed."""

import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from service.evaluation.cutout.options import CROP, PICTURE, TRANSPARENT, CutoutOptions
from service.recognition.boxes import Box, outward_pixels
from service.recognition.views import Mask, Pixels, filled

HOW: Mapping[str, dict[str, Any]] = MappingProxyType(
    {"webp": {"lossless": True}, "jpeg": {"quality": 95, "subsampling": 0}}
)


def window(box: Box, options: CutoutOptions, width: int, height: int) -> tuple[int, int, int, int]:
    """`x0, y0, x1, y1` in whole pixels of the part that is shown of a picture of that size."""
    if options.frame == PICTURE:
        return 0, 0, width, height
    return outward_pixels(box.widened(options.margin), width, height)


def cut_out(rgb: Pixels, box: Box, mask: Mask, options: CutoutOptions) -> Pixels:
    """The cut-out `[h, w, 3]`, or `[h, w, 4]` with the mask as alpha for a transparent ground.

    Hidden colours are black: a reader that drops the alpha must not see the background again.

    Args:
        rgb: `[H, W, 3]`.
        box: in pixels of `rgb`.
        mask: `[H, W]`, true on the object.
    """
    x0, y0, x1, y1 = window(box, options, rgb.shape[1], rgb.shape[0])
    shown, inside = rgb[y0:y1, x0:x1], mask[y0:y1, x0:x1]
    if options.ground == CROP:
        return shown
    if options.ground == TRANSPARENT:
        alpha = np.where(inside, np.uint8(255), np.uint8(0))
        return np.dstack([filled(shown, ~inside, (0, 0, 0)), alpha])
    assert options.colour is not None
    return filled(shown, ~inside, options.colour)


def encoded(pixels: Pixels, picture_format: str) -> bytes:
    """`pixels [h, w, 3]` or `[h, w, 4]` as a file: PNG and WebP without loss, JPEG at full colour resolution.

    Raises:
        OSError, ValueError: the format cannot hold a picture of that size.
    """
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, picture_format, **HOW.get(picture_format, {}))
    return buffer.getvalue()
