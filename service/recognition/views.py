"""The pictures that the encoder sees of one photograph (L2R2, sections 3.1 and 4.3; B.2), by name."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from service.recognition.boxes import Box, outward_pixels

Rgb = tuple[int, int, int]
Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Grid = TypeVar("Grid", Pixels, Mask)


@dataclass(frozen=True)
class Style:
    """How views are made: colours of what is filled in; margins and the blur's radius as parts of the box's size and
    of the picture's longer side."""

    pad: Rgb = (127, 127, 127)
    margin: float = 0.0
    wide_margin: float = 0.25
    blur: float = 0.05


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture `rgb [H, W, 3]` with its object's box in pixels and its mask `[H, W]`, where they are known."""

    rgb: Pixels
    box: Box | None = None
    mask: Mask | None = None


@dataclass(frozen=True)
class View:
    """A branch: what it shows, what it needs of the scene, and which parts of the `style` it depends on."""

    name: str
    summary: str
    make: Callable[[Scene, Style], Pixels]
    style: tuple[str, ...] = ()
    needs_box: bool = True
    needs_mask: bool = False


def crop(grid: Grid, box: Box, margin: float = 0.0) -> Grid:
    """The part of `grid`, pixels `[H, W, 3]` or a mask `[H, W]`, that `box`, widened by `margin`, touches."""
    height, width = grid.shape[:2]
    x0, y0, x1, y1 = outward_pixels(box.widened(margin), width, height)
    return grid[y0:y1, x0:x1]


def padded_square(rgb: Pixels, colour: Rgb) -> Pixels:
    """`rgb [H, W, 3]` centred in a square of its longer side `[S, S, 3]`, the rest filled with `colour`."""
    height, width = rgb.shape[:2]
    side = max(height, width)
    square = np.empty((side, side, 3), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    bottom, right = top + height, left + width
    for border in (square[:top], square[bottom:], square[top:bottom, :left], square[top:bottom, right:]):
        _paint(border, colour)
    square[top:bottom, left:right] = rgb
    return square


def filled(rgb: Pixels, where: Mask, colour: Rgb) -> Pixels:
    """A copy of `rgb` with `colour` at the true places of `where [H, W]`."""
    painted = rgb.copy()
    _cells(painted)[where] = _cells(np.array(colour, np.uint8))
    return painted


def _paint(region: Pixels, colour: Rgb) -> None:
    # Row by row: numpy takes forty times longer for the same three numbers at every pixel
    region[:] = np.full(region.shape[1:], colour, np.uint8)


def _cells(rgb: Pixels) -> NDArray[Any]:
    """The same memory with a pixel as one element `[H, W]`, which numpy selects several times faster than three."""
    return rgb.view("V3")[..., 0]


def box_mask(rgb: Pixels, box: Box) -> Mask:
    """`[H, W]`, true in the pixels that `box` touches."""
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = outward_pixels(box, width, height)
    inside = np.zeros((height, width), np.bool_)
    inside[y0:y1, x0:x1] = True
    return inside


def foreground(rgb: Pixels, box: Box, colour: Rgb, margin: float = 0.0) -> Pixels:
    """The fg view: the box's crop, padded to a square so that its aspect ratio is kept (section 4.2)."""
    return padded_square(crop(rgb, box, margin), colour)


def _box(scene: Scene) -> Box:
    assert scene.box is not None
    return scene.box


def _mask(scene: Scene) -> Mask:
    assert scene.mask is not None
    return scene.mask


def _center_crop(scene: Scene, _style: Style) -> Pixels:
    height, width = scene.rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return scene.rgb[top : top + side, left : left + side]


def _fg(scene: Scene, style: Style) -> Pixels:
    return foreground(scene.rgb, _box(scene), style.pad, style.margin)


def _fg_mask(scene: Scene, style: Style) -> Pixels:
    box = _box(scene)
    inside = crop(_mask(scene), box, style.margin)
    return padded_square(filled(crop(scene.rgb, box, style.margin), ~inside, style.pad), style.pad)


def _fg_margin(scene: Scene, style: Style) -> Pixels:
    return foreground(scene.rgb, _box(scene), style.pad, style.wide_margin)


def _bg_shape(scene: Scene, style: Style) -> Pixels:
    return filled(scene.rgb, _mask(scene), style.pad)


def _bg_box(scene: Scene, style: Style) -> Pixels:
    painted = scene.rgb.copy()
    _paint(crop(painted, _box(scene)), style.pad)
    return painted


def _full_blur(scene: Scene, style: Style) -> Pixels:
    radius_px = style.blur * max(scene.rgb.shape[:2])
    blurred = np.array(Image.fromarray(scene.rgb).filter(ImageFilter.GaussianBlur(radius_px)))
    inside = _mask(scene)
    _cells(blurred)[inside] = _cells(np.ascontiguousarray(scene.rgb))[inside]
    return blurred


def _full_colour(scene: Scene, style: Style) -> Pixels:
    return filled(scene.rgb, ~_mask(scene), style.pad)


FULL = "full"
FG = "fg"
_ROWS = (
    View(FULL, "the whole picture", lambda scene, _style: scene.rgb, needs_box=False),
    View(FG, "the box's crop, padded to a square", _fg, ("pad", "margin")),
    View("fg_mask", "the same with the background masked out", _fg_mask, ("pad", "margin"), needs_mask=True),
    View("fg_margin", "the crop of a wider region, padded to a square", _fg_margin, ("pad", "wide_margin")),
    View("bg_shape", "the picture with the object masked out, its shape left", _bg_shape, ("pad",), needs_mask=True),
    View("bg_box", "the picture with the box masked out", _bg_box, ("pad",)),
    View("full_blur", "the picture with a blurred background", _full_blur, ("blur",), needs_mask=True),
    View("full_colour", "the picture with a background of one colour", _full_colour, ("pad",), needs_mask=True),
    View("center_crop", "the largest square in the middle, a control that locates nothing", _center_crop,
         needs_box=False),
)  # fmt: skip
VIEWS: Mapping[str, View] = MappingProxyType({row.name: row for row in _ROWS})
DEFAULT_BRANCHES = (FULL, FG)


def answering_views(asked: Sequence[str], seen: Collection[str], instead: tuple[str, ...] = (FULL,)) -> tuple[str, ...]:
    """Which of the views `asked` for answer, where only those in `seen` could be shown: all of those; but `instead`,
    the full picture alone, where views of the object were asked for and none of them could be shown (section 3.1)."""
    shown = tuple(name for name in asked if name in seen)
    wanted_object = any(VIEWS[name].needs_box for name in asked)
    return instead if wanted_object and not any(VIEWS[name].needs_box for name in shown) else shown
