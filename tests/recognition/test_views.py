"""Every view against a pixel-by-pixel construction, and the laws that tie them together."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import gaussian_filter

from service.recognition.boxes import Box
from service.recognition.views import (
    DEFAULT_BRANCHES,
    FG,
    FULL,
    VIEWS,
    Scene,
    Style,
    View,
    answering_views,
    box_mask,
    crop,
    filled,
    foreground,
    padded_square,
)

pictures = hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))
colours = st.tuples(*[st.integers(0, 255)] * 3)
margins = st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])
COLOUR = (1, 2, 3)
NO_PIXEL = (255, 254, 253)  # no `numbered` picture holds it


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """A picture with a box that touches it and a mask of any shape."""
    rgb = draw(pictures)
    height, width = rgb.shape[:2]
    x0, y0 = draw(st.floats(-2, width - 0.5)), draw(st.floats(-2, height - 0.5))
    box = Box(x0, y0, max(x0, 0) + draw(st.floats(0.3, 9)), max(y0, 0) + draw(st.floats(0.3, 9)))
    return Scene(rgb, box, draw(hnp.arrays(np.bool_, (height, width))))


styles = st.builds(Style, pad=colours, margin=margins, wide_margin=margins, blur=st.sampled_from([0.0, 0.05, 0.3]))


def numbered(height: int, width: int) -> np.ndarray:
    """A picture of which every pixel has a colour of its own."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, rows * width + columns], axis=-1).astype(np.uint8)


def touched(rgb: np.ndarray, box: Box, margin: float = 0.0) -> tuple[list[int], list[int]]:
    """Rows and columns whose pixels share an area with the widened box."""
    dx, dy = margin * (box.x1 - box.x0), margin * (box.y1 - box.y0)
    rows = [y for y in range(rgb.shape[0]) if y < box.y1 + dy and y + 1 > box.y0 - dy]
    columns = [x for x in range(rgb.shape[1]) if x < box.x1 + dx and x + 1 > box.x0 - dx]
    return rows, columns


def square_by_hand(rows: list[list[np.ndarray]], pad: tuple[int, ...]) -> np.ndarray:
    """The pixels centred in a square; of an odd rest the larger part lies below and to the right."""
    side = max(len(rows), len(rows[0]))
    top, left = (side - len(rows)) // 2, (side - len(rows[0])) // 2
    square = [[np.array(pad)] * side for _ in range(side)]
    for y, row in enumerate(rows):
        for x, pixel in enumerate(row):
            square[top + y][left + x] = pixel
    return np.array(square, np.uint8)


def foreground_by_hand(scene: Scene, style: Style, margin: float, masked: bool = False) -> np.ndarray:
    rows, columns = touched(scene.rgb, scene.box, margin)
    pad = np.array(style.pad)
    kept = [[scene.rgb[y, x] if scene.mask[y, x] or not masked else pad for x in columns] for y in rows]
    return square_by_hand(kept, style.pad)


def painted_by_hand(scene: Scene, style: Style, hidden: Callable[[int, int], bool]) -> np.ndarray:
    height, width = scene.rgb.shape[:2]
    pixels = [[style.pad if hidden(y, x) else tuple(scene.rgb[y, x]) for x in range(width)] for y in range(height)]
    return np.array(pixels, np.uint8)


def in_box(scene: Scene) -> Callable[[int, int], bool]:
    rows, columns = touched(scene.rgb, scene.box)
    return lambda y, x: y in rows and x in columns


def middle_by_hand(scene: Scene) -> np.ndarray:
    height, width = scene.rgb.shape[:2]
    side = min(height, width)
    offsets = (height - side) // 2, (width - side) // 2
    return np.array([[scene.rgb[offsets[0] + y, offsets[1] + x] for x in range(side)] for y in range(side)], np.uint8)


BY_HAND: dict[str, Callable[[Scene, Style], np.ndarray]] = {
    "full": lambda scene, _style: scene.rgb,
    "fg": lambda scene, style: foreground_by_hand(scene, style, style.margin),
    "fg_mask": lambda scene, style: foreground_by_hand(scene, style, style.margin, masked=True),
    "fg_margin": lambda scene, style: foreground_by_hand(scene, style, style.wide_margin),
    "bg_shape": lambda scene, style: painted_by_hand(scene, style, lambda y, x: bool(scene.mask[y, x])),
    "bg_box": lambda scene, style: painted_by_hand(scene, style, in_box(scene)),
    "full_colour": lambda scene, style: painted_by_hand(scene, style, lambda y, x: not scene.mask[y, x]),
    "center_crop": lambda scene, _style: middle_by_hand(scene),
}


def made(name: str, scene: Scene, style: Style = Style(pad=COLOUR)) -> np.ndarray:  # noqa: B008  frozen
    return VIEWS[name].make(scene, style)


def test_every_view_but_the_blurred_one_is_built_by_hand() -> None:
    assert set(BY_HAND) == set(VIEWS) - {"full_blur"}
    assert DEFAULT_BRANCHES == (FULL, FG)
    assert all(view.name == name and view.summary for name, view in VIEWS.items())


@pytest.mark.parametrize("name", BY_HAND)
@settings(max_examples=25)
@given(scene=scenes(), style=styles)
def test_a_view_is_what_its_definition_says_pixel_by_pixel(name: str, scene: Scene, style: Style) -> None:
    assert np.array_equal(made(name, scene, style), BY_HAND[name](scene, style))


@pytest.mark.parametrize("name", VIEWS)
@settings(max_examples=15)
@given(scene=scenes(), style=styles)
def test_a_view_is_a_picture_and_leaves_its_scene_alone(name: str, scene: Scene, style: Style) -> None:
    rgb, mask = scene.rgb.copy(), scene.mask.copy()
    rgb.setflags(write=False)
    view = made(name, Scene(rgb, scene.box, mask), style)
    assert view.dtype == np.uint8
    assert view.ndim == 3
    assert view.shape[2] == 3
    assert view.size
    assert np.array_equal(rgb, scene.rgb)
    assert np.array_equal(mask, scene.mask)


@pytest.mark.parametrize("name", VIEWS)
@settings(max_examples=15)
@given(scene=scenes(), style=styles, order=st.permutations(range(3)))
def test_permuted_colour_channels_are_permuted_in_the_view(
    name: str, scene: Scene, style: Style, order: list[int]
) -> None:
    permuted = Scene(np.ascontiguousarray(scene.rgb[..., order]), scene.box, scene.mask)
    pad = tuple(style.pad[channel] for channel in order)
    other = Style(pad, style.margin, style.wide_margin, style.blur)
    assert np.array_equal(made(name, permuted, other), made(name, scene, style)[..., order])


@pytest.mark.parametrize("name", VIEWS)
@settings(max_examples=15)
@given(scene=scenes())
def test_a_view_depends_on_no_more_of_the_scene_than_it_says(name: str, scene: Scene) -> None:
    view = VIEWS[name]
    less = Scene(scene.rgb, scene.box if view.needs_box else None, scene.mask if view.needs_mask else None)
    assert np.array_equal(made(name, less), made(name, scene))


@settings(max_examples=40)
@given(scenes())
def test_the_crop_keeps_its_aspect_ratio_in_the_middle_of_the_square(scene: Scene) -> None:
    rgb = numbered(*scene.rgb.shape[:2])
    view = made("fg", Scene(rgb, scene.box), Style(pad=NO_PIXEL))
    rows, columns = touched(rgb, scene.box)
    shown = (view != NO_PIXEL).any(axis=2)
    ys, xs = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    assert view.shape[0] == view.shape[1] == max(len(rows), len(columns))
    assert (ys.size, xs.size) == (len(rows), len(columns))
    assert abs(ys[0] - (view.shape[0] - 1 - ys[-1])) <= 1
    assert abs(xs[0] - (view.shape[1] - 1 - xs[-1])) <= 1


@settings(max_examples=40)
@given(scenes(), styles)
def test_the_masked_crop_is_the_crop_inside_the_mask_and_one_colour_outside(scene: Scene, style: Style) -> None:
    inside = foreground(
        np.repeat(scene.mask[..., None], 3, axis=2).astype(np.uint8), scene.box, (0, 0, 0), style.margin
    )
    where = inside[..., 0] == 1
    masked, plain = made("fg_mask", scene, style), made("fg", scene, style)
    assert np.array_equal(masked[where], plain[where])
    assert (masked[~where] == style.pad).all()


@settings(max_examples=40)
@given(scenes())
def test_the_object_alone_and_the_picture_without_it_make_up_the_picture(scene: Scene) -> None:
    black = Style(pad=(0, 0, 0))
    assert np.array_equal(made("bg_shape", scene, black) + made("full_colour", scene, black), scene.rgb)


@settings(max_examples=40)
@given(scenes())
def test_the_background_without_shape_holds_none_of_the_boxs_pixels_and_all_others(scene: Scene) -> None:
    rgb = numbered(*scene.rgb.shape[:2])
    view = made("bg_box", Scene(rgb, scene.box), Style(pad=NO_PIXEL))
    left = {tuple(pixel) for pixel in view.reshape(-1, 3).tolist()} - {NO_PIXEL}
    inside = {tuple(pixel) for pixel in crop(rgb, scene.box).reshape(-1, 3).tolist()}
    everywhere = {tuple(pixel) for pixel in rgb.reshape(-1, 3).tolist()}
    assert left == everywhere - inside


@settings(max_examples=40)
@given(scenes())
def test_with_the_box_for_a_mask_both_backgrounds_and_both_crops_are_the_same(scene: Scene) -> None:
    boxed = Scene(scene.rgb, scene.box, box_mask(scene.rgb, scene.box))
    assert np.array_equal(made("bg_shape", boxed), made("bg_box", boxed))
    assert np.array_equal(made("fg_mask", boxed), made("fg", boxed))


@settings(max_examples=40)
@given(scenes(), margins)
def test_the_wide_crop_is_the_crop_of_the_same_margin(scene: Scene, margin: float) -> None:
    wide = made("fg_margin", scene, Style(pad=COLOUR, wide_margin=margin))
    assert np.array_equal(wide, made("fg", scene, Style(pad=COLOUR, margin=margin)))


@settings(max_examples=40)
@given(scenes(), styles)
def test_the_blur_spares_the_object(scene: Scene, style: Style) -> None:
    view = made("full_blur", scene, style)
    assert view.shape == scene.rgb.shape
    assert np.array_equal(view[scene.mask], scene.rgb[scene.mask])
    assert np.array_equal(made("full_blur", scene, Style(blur=0.0)), scene.rgb)


@settings(max_examples=40)
@given(colours, st.integers(1, 9), st.integers(1, 9))
def test_the_blur_of_one_colour_is_that_colour(colour: tuple[int, ...], height: int, width: int) -> None:
    rgb = np.full((height, width, 3), colour, np.uint8)
    view = made("full_blur", Scene(rgb, None, np.zeros((height, width), np.bool_)), Style(blur=0.3))
    assert (view == colour).all()


@pytest.mark.parametrize("size", [(40, 60), (60, 40)])
def test_the_blurs_radius_is_a_part_of_the_longer_side(size: tuple[int, int]) -> None:
    rgb = np.zeros((*size, 3), np.uint8)
    rgb[10:30, 12:25] = (250, 120, 30)
    mask = np.zeros(size, np.bool_)
    mask[12:18, 14:20] = True
    view = made("full_blur", Scene(rgb, None, mask), Style(blur=0.05))
    soft = gaussian_filter(rgb.astype(np.float64), sigma=(3, 3, 0), mode="nearest")
    assert np.abs(view[~mask] - soft[~mask]).max() < 6
    assert np.abs(view[~mask] - rgb[~mask].astype(np.float64)).max() > 60


@settings(max_examples=40)
@given(pictures)
def test_a_padded_square_holds_the_picture_in_its_middle_and_the_colour_around(rgb: np.ndarray) -> None:
    square = padded_square(rgb, COLOUR)
    assert np.array_equal(square, square_by_hand([list(row) for row in rgb], COLOUR))


@settings(max_examples=40)
@given(pictures)
def test_padding_a_square_changes_nothing(rgb: np.ndarray) -> None:
    square = padded_square(rgb, COLOUR)
    assert np.array_equal(padded_square(square, (9, 9, 9)), square)


@settings(max_examples=40)
@given(scenes(), margins)
def test_a_crop_holds_the_pixels_that_the_box_touches_and_no_others(scene: Scene, margin: float) -> None:
    rows, columns = touched(scene.rgb, scene.box, margin)
    assert np.array_equal(crop(scene.rgb, scene.box, margin), scene.rgb[np.ix_(rows, columns)])


@settings(max_examples=40)
@given(scenes())
def test_the_boxs_mask_holds_the_pixels_that_the_box_touches(scene: Scene) -> None:
    inside = in_box(scene)
    for (y, x), value in np.ndenumerate(box_mask(scene.rgb, scene.box)):
        assert value == inside(y, x)


@settings(max_examples=40)
@given(scenes(), st.floats(0.01, 2), st.floats(0.01, 2))
def test_a_wider_margin_never_loses_a_pixel(scene: Scene, narrow: float, more: float) -> None:
    assume(math.isfinite(narrow + more))
    near, far = crop(scene.rgb, scene.box, narrow), crop(scene.rgb, scene.box, narrow + more)
    assert far.shape[0] >= near.shape[0]
    assert far.shape[1] >= near.shape[1]


def test_a_margin_widens_the_crop_up_to_the_edge_of_the_picture() -> None:
    rgb = numbered(10, 10)
    assert np.array_equal(crop(rgb, Box(4, 4, 6, 8), margin=0.5), rgb[2:10, 3:7])


@settings(max_examples=40)
@given(scenes(), colours)
def test_filling_paints_the_true_places_of_a_copy(scene: Scene, colour: tuple[int, int, int]) -> None:
    painted = filled(scene.rgb, scene.mask, colour)
    assert (painted[scene.mask] == colour).all()
    assert np.array_equal(painted[~scene.mask], scene.rgb[~scene.mask])
    assert painted is not scene.rgb


@given(st.lists(st.sampled_from(list(VIEWS)), min_size=1, unique=True), st.sets(st.sampled_from(list(VIEWS))))
def test_views_that_could_be_shown_answer_or_the_full_picture_alone(asked: list[str], seen: set[str]) -> None:
    answering = answering_views(asked, seen)
    of_object = [name for name in asked if VIEWS[name].needs_box]
    if of_object and not set(of_object) & seen:
        assert answering == ("full",)
    else:
        assert answering == tuple(name for name in asked if name in seen)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@settings(max_examples=25)
@given(scene=scenes(), style=styles, other=styles)
def test_a_view_depends_on_no_other_part_of_the_style_than_it_says(
    view: View, scene: Scene, style: Style, other: Style
) -> None:
    elsewhere = replace(other, **{part: getattr(style, part) for part in view.style})
    assert np.array_equal(view.make(scene, style), view.make(scene, elsewhere))


CHANGED = {"pad": (9, 8, 7), "margin": 0.5, "wide_margin": 1.0, "blur": 0.3}


@pytest.mark.parametrize(("name", "part"), [(view.name, part) for view in VIEWS.values() for part in view.style])
def test_a_view_depends_on_every_part_of_the_style_that_it_says(name: str, part: str) -> None:
    scene = Scene(numbered(12, 9), Box(3, 4, 6, 10), np.eye(12, 9, dtype=np.bool_))
    made, changed = (VIEWS[name].make(scene, style) for style in (Style(), Style(**{part: CHANGED[part]})))
    assert not np.array_equal(made, changed)
