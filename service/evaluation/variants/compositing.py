"""Foregrounds and backgrounds taken apart and put together, pixel by pixel (Xiao et al. 2020, arXiv 2006.09994).

A `Scene` is a picture `rgb [H, W, 3]` with its object's box and its mask `[H, W]`. Masks are hard.
"""

import numpy as np
from PIL import Image, ImageOps

from service.recognition.boxes import Box, outward_pixels
from service.recognition.views import Mask, Pixels, Scene, box_mask, filled

BLACK = (0, 0, 0)
Edges = tuple[int, int, int, int]


def box_of(scene: Scene) -> Box:
    """Raises: ValueError where the object's box is unknown."""
    if scene.box is None:
        raise ValueError("this variant needs the object's box")
    return scene.box


def mask_of(scene: Scene) -> Mask:
    """Raises: ValueError where the object's mask is unknown."""
    if scene.mask is None:
        raise ValueError("this variant needs the object's mask")
    return scene.mask


def only_bg_b(scene: Scene) -> Pixels:
    """Only-BG-B: the object's box black."""
    return filled(scene.rgb, box_mask(scene.rgb, box_of(scene)), BLACK)


def only_bg_t(scene: Scene) -> Pixels:
    """Only-BG-T: in the object's box, the largest strip of background beside it, repeated from the top left corner.

    Raises:
        ValueError: the box is unknown or leaves no background.
    """
    rgb, box = scene.rgb, box_of(scene)
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = largest_strip(box, width, height)
    strip = rgb[y0:y1, x0:x1]
    left, top, right, lower = outward_pixels(box, width, height)
    rows, columns = np.arange(top, lower) % len(strip), np.arange(left, right) % strip.shape[1]
    covered = rgb.copy()
    covered[top:lower, left:right] = strip[np.ix_(rows, columns)]
    return covered


def largest_strip(box: Box, width: int, height: int) -> Edges:
    """`x0, y0, x1, y1` of the largest of the four background rectangles beside `box` that span the picture.

    Of several alike it is the first of: left, right (full height), above, below (full width).

    Raises:
        ValueError: the box covers the picture.
    """
    left, top, right, lower = outward_pixels(box, width, height)
    strips = ((0, 0, left, height), (right, 0, width, height), (0, 0, width, top), (0, lower, width, height))
    largest = max(strips, key=_area)
    if not _area(largest):
        raise ValueError("the box covers the whole picture: there is no background")
    return largest


def _area(edges: Edges) -> int:
    x0, y0, x1, y1 = edges
    return (x1 - x0) * (y1 - y0)


def no_fg(scene: Scene) -> Pixels:
    """No-FG: the object's pixels black; its shape remains."""
    return filled(scene.rgb, mask_of(scene), BLACK)


def only_fg(scene: Scene) -> Pixels:
    """Only-FG: everything but the object's pixels black."""
    return filled(scene.rgb, ~mask_of(scene), BLACK)


def mixed(scene: Scene, background: Scene) -> Pixels:
    """Mixed-*: the object's pixels, in their place, on the Only-BG-T picture of `background`, in the scene's size."""
    height, width = scene.rgb.shape[:2]
    return np.where(mask_of(scene)[..., None], scene.rgb, fitted(only_bg_t(background), width, height))


def fitted(rgb: Pixels, width: int, height: int) -> Pixels:
    """`rgb` made to cover `width` x `height` pixels in its own aspect ratio, what sticks out cut off evenly."""
    return np.asarray(ImageOps.fit(Image.fromarray(rgb), (width, height), Image.Resampling.BICUBIC))
