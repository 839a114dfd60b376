"""Looking for a picture's object: what the table tells of it, and what a model finds where that is too little."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from service.errors import ImageError
from service.evaluation.variants.files import encoded, write
from service.evaluation.variants.subjects import Finding, Task, decoded, inside
from service.images import Picture
from service.recognition.boxes import Box, clipped, mask_extent, outward_pixels
from service.recognition.views import Mask, Pixels, box_mask

MaskOf = Callable[[Pixels, Box | None], tuple[Box, Mask] | None]
LEAST_OF_BOX = 0.1  # a found mask that fills less of its box is a failure, as it was to Xiao et al. 2020


class _Unusable(Exception):
    pass


def look(task: Task, mask_of: MaskOf | None = None) -> Finding:
    """Decode the picture, put its box and mask together, keep the mask as a file.

    A mask of the table counts whole, and the box grows until it holds it; a found mask ends at its box.
    A picture that cannot be used gives a finding with its problem.

    Raises:
        FileUnreadable, OutputRefused: a file cannot be read or written.
    """
    try:
        picture = decoded(task.path)
        box = _given_box(task.box, picture) if task.box else None
        mask = _given_mask(task.mask, picture) if task.mask else None
        if task.searches:
            box, mask = _searched(picture.rgb, box, mask_of)
        elif mask is not None:
            box = _holding(box, mask)
    except (_Unusable, ImageError) as error:
        return Finding(problem=str(error))
    height, width = picture.rgb.shape[:2]
    if mask is None:
        return Finding(width, height, box)
    write(task.target, encoded(mask, "png", task.digest))
    return Finding(width, height, box, hashlib.sha256(np.packbits(mask).tobytes()).hexdigest())


def _given_box(box: Box, picture: Picture) -> Box:
    x_scale, y_scale = picture.scale
    return _whole_pixels(box.scaled(1 / x_scale, 1 / y_scale), picture.rgb)


def _whole_pixels(box: Box, rgb: Pixels) -> Box:
    height, width = rgb.shape[:2]
    visible = clipped(box, width, height)
    if visible is None:
        raise _Unusable("the box lies outside the picture")
    return Box(*map(float, outward_pixels(visible, width, height)))


def _given_mask(path: Path, picture: Picture) -> Mask:
    try:
        seen = decoded(path)
    except ImageError as error:
        raise _Unusable(f"its mask: {error}") from None
    if (seen.width, seen.height) != (picture.width, picture.height):
        sizes = f"{seen.width} x {seen.height} pixels, the picture {picture.width} x {picture.height}"
        raise _Unusable(f"its mask has {sizes}")
    height, width = picture.rgb.shape[:2]
    return np.asarray(Image.fromarray(inside(seen)).resize((width, height), Image.Resampling.NEAREST))


def _holding(box: Box | None, mask: Mask) -> Box:
    """The smallest box around the mask and, if there is one, the given box."""
    extent = mask_extent(mask)
    if extent is None:
        raise _Unusable("its mask is empty")
    if box is None:
        return extent
    return Box(min(box.x0, extent.x0), min(box.y0, extent.y0), max(box.x1, extent.x1), max(box.y1, extent.y1))


def _searched(rgb: Pixels, box: Box | None, mask_of: MaskOf | None) -> tuple[Box, Mask]:
    if mask_of is None:
        raise _Unusable("it has no mask" if box else "it has neither box nor mask")
    found = mask_of(rgb, box)
    if found is None:
        raise _Unusable("no object was found")
    found_box, mask = found
    if mask.shape != rgb.shape[:2] or mask.dtype != np.bool_:
        raise ValueError(f"a mask of bool {list(rgb.shape[:2])} is wanted, not {mask.dtype} {list(mask.shape)}")
    box = box or _whole_pixels(found_box, rgb)
    mask = np.logical_and(mask, box_mask(rgb, box))
    if mask.sum() < LEAST_OF_BOX * box.area:
        raise _Unusable(f"the mask that was found fills less than {LEAST_OF_BOX:.0%} of its box")
    return box, mask
