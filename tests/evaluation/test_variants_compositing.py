"""Each kind pixel by pixel, and laws that hold for any picture, box and mask."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from variant_pictures import BOX, object_mask, pixels  # type: ignore[import-not-found]

from service.evaluation.variants import VARIANTS
from service.evaluation.variants.compositing import (
    fitted,
    largest_strip,
    mixed,
    no_fg,
    only_bg_b,
    only_bg_t,
    only_fg,
)
from service.recognition.boxes import Box
from service.recognition.views import Scene

WIDTH, HEIGHT = 24, 18
RGB, MASK = pixels(WIDTH, HEIGHT, 1), object_mask(WIDTH, HEIGHT)
SCENE = Scene(RGB, BOX, MASK)


def changed(rgb: NDArray[np.uint8], expected: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (rgb != expected).any(axis=2)


def test_only_bg_b_is_black_in_the_box_and_nowhere_else() -> None:
    made = only_bg_b(SCENE)
    assert not made[5:12, 6:14].any()
    made[5:12, 6:14] = RGB[5:12, 6:14]
    assert not changed(made, RGB).any()


def test_only_bg_t_repeats_the_largest_strip_in_the_box_alone() -> None:
    assert largest_strip(BOX, WIDTH, HEIGHT) == (14, 0, 24, 18)  # 10 x 18 is more than 6 x 18, 24 x 5 and 24 x 6
    made = only_bg_t(SCENE)
    for y in range(HEIGHT):
        for x in range(WIDTH):
            inside = 6 <= x < 14 and 5 <= y < 12
            expected = RGB[y, 14 + x % 10] if inside else RGB[y, x]
            assert (made[y, x] == expected).all(), (x, y)


@pytest.mark.parametrize(
    ("box", "strip"),
    [
        (Box(10, 2, 24, 16), (0, 0, 10, 18)),
        (Box(0, 2, 14, 16), (14, 0, 24, 18)),
        (Box(1, 10, 23, 18), (0, 0, 24, 10)),
        (Box(1, 0, 23, 8), (0, 8, 24, 18)),
        (Box(8, 6, 16, 12), (0, 0, 8, 18)),  # several are alike: the first
    ],
)
def test_the_strip_is_the_largest_of_four_that_span_the_picture(box: Box, strip: tuple[int, ...]) -> None:
    assert largest_strip(box, WIDTH, HEIGHT) == strip


def test_a_short_strip_is_repeated_downwards() -> None:
    rgb = pixels(8, 9, 2)
    made = only_bg_t(Scene(rgb, Box(0, 2, 8, 9)))
    assert (made == rgb[[0, 1, 0, 1, 0, 1, 0, 1, 0]]).all()


def test_a_box_over_everything_leaves_no_background() -> None:
    with pytest.raises(ValueError, match="no background"):
        only_bg_t(Scene(RGB, Box(0, 0, WIDTH, HEIGHT)))


def test_a_mixed_picture_keeps_the_object_in_its_place_on_the_fitted_background() -> None:
    other = Scene(pixels(40, 20, 3), Box(2, 3, 12, 13))
    made = mixed(SCENE, other)
    assert made.shape == RGB.shape
    assert (made[MASK] == RGB[MASK]).all()
    assert (made[~MASK] == fitted(only_bg_t(other), WIDTH, HEIGHT)[~MASK]).all()


def test_a_background_of_the_same_size_is_taken_as_it_is() -> None:
    assert (fitted(RGB, WIDTH, HEIGHT) == RGB).all()


def test_a_wider_background_loses_its_sides_and_keeps_its_proportions() -> None:
    rgb = np.zeros((10, 40, 3), np.uint8)
    rgb[:, 10:30] = 200  # what a 20 x 10 window in the middle sees
    assert (fitted(rgb, 20, 10) == 200).all()
    assert (fitted(rgb, 40, 20)[:, 4:-4] == 200).all()  # the interpolation reaches over the edge


@pytest.mark.parametrize("name", [name for name, row in VARIANTS.items() if row.needs != "picture"])
def test_a_kind_says_what_it_needs(name: str) -> None:
    with pytest.raises(ValueError, match="this variant needs"):
        VARIANTS[name].make(Scene(RGB), Scene(RGB, BOX))


def test_a_mixed_kind_needs_a_background() -> None:
    with pytest.raises(ValueError, match="needs a background"):
        VARIANTS["mixed_same"].make(SCENE, None)


def test_the_original_is_the_picture() -> None:
    assert (VARIANTS["original"].make(Scene(RGB), None) == RGB).all()


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    width, height = draw(st.integers(2, 20)), draw(st.integers(2, 20))
    x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    x1, y1 = draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height))
    if (x1 - x0, y1 - y0) == (width, height):
        x1, y1 = max(x1 - 1, 1), max(y1 - 1, 1)
    noise = np.random.default_rng(draw(st.integers(0, 2**32)))
    mask = np.zeros((height, width), np.bool_)
    mask[y0:y1, x0:x1] = noise.random((y1 - y0, x1 - x0)) < draw(st.floats(0, 1))
    return Scene(noise.integers(0, 256, (height, width, 3), dtype=np.uint8), Box(x0, y0, x1, y1), mask)


@given(scenes())
def test_foreground_and_background_add_up_to_the_picture(scene: Scene) -> None:
    front, back = only_fg(scene), no_fg(scene)
    assert (front + back == scene.rgb).all()
    assert not front[~scene.mask].any()
    assert not back[scene.mask].any()


@given(scenes())
def test_nothing_of_the_box_shows_in_a_background(scene: Scene) -> None:
    other = np.where(scene_box(scene)[..., None], 255 - scene.rgb, scene.rgb)
    disguised = Scene(other, scene.box, scene.mask)
    assert (only_bg_t(scene) == only_bg_t(disguised)).all()
    assert (only_bg_b(scene) == only_bg_b(disguised)).all()
    assert (only_bg_t(scene)[~scene_box(scene)] == scene.rgb[~scene_box(scene)]).all()


@given(scenes(), scenes())
def test_a_mixed_picture_is_the_object_within_its_mask_and_the_background_outside(front: Scene, back: Scene) -> None:
    made = mixed(front, back)
    assert made.shape == front.rgb.shape
    assert (made[front.mask] == front.rgb[front.mask]).all()
    hidden = Scene(np.where(front.mask[..., None], 0, front.rgb).astype(np.uint8), front.box, front.mask)
    assert (mixed(hidden, back)[~front.mask] == made[~front.mask]).all()
    repainted = Scene(255 - front.rgb, front.box, front.mask)
    assert (mixed(repainted, back)[~front.mask] == made[~front.mask]).all()


def scene_box(scene: Scene) -> NDArray[np.bool_]:
    x0, y0, x1, y1 = (int(edge) for edge in vars(scene.box).values())
    inside = np.zeros(scene.rgb.shape[:2], np.bool_)
    inside[y0:y1, x0:x1] = True
    return inside
