"""Cut-outs pixel by pixel."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from service.errors import InvalidFields
from service.evaluation.cutout.compose import cut_out, encoded, window
from service.evaluation.cutout.options import NATURAL_MEAN, CutoutOptions
from service.recognition.boxes import Box, outward_pixels

RGB = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
BOX = Box(1.5, 1.0, 4.0, 3.0)  # touches columns 1 to 3 and rows 1 to 2
MASK = np.zeros((4, 6), np.bool_)
MASK[1, 1] = MASK[2, 3] = True


@st.composite
def scenes(draw: st.DrawFn) -> tuple[NDArray[np.uint8], Box, NDArray[np.bool_]]:
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rgb = draw(arrays(np.uint8, (height, width, 3)))
    mask = draw(arrays(np.bool_, (height, width)))
    x = sorted(draw(st.lists(st.floats(-3, width + 3), min_size=2, max_size=2, unique=True)))
    y = sorted(draw(st.lists(st.floats(-3, height + 3), min_size=2, max_size=2, unique=True)))
    return rgb, Box(x[0], y[0], x[1], y[1]), mask


def test_a_crop_is_the_box_as_it_is() -> None:
    np.testing.assert_array_equal(cut_out(RGB, BOX, MASK, CutoutOptions(ground="crop")), RGB[1:3, 1:4])


def test_a_transparent_ground_hides_no_colours_of_the_background() -> None:
    made = cut_out(RGB, BOX, MASK, CutoutOptions())
    np.testing.assert_array_equal(made[..., 3], [[255, 0, 0], [0, 0, 255]])
    np.testing.assert_array_equal(made[0, 0, :3], RGB[1, 1])
    np.testing.assert_array_equal(made[1, 2, :3], RGB[2, 3])
    assert not made[..., :3][made[..., 3] == 0].any()


@pytest.mark.parametrize(
    ("ground", "colour"),
    [("black", (0, 0, 0)), ("white", (255, 255, 255)), ("mean", NATURAL_MEAN), ("#10ff7f", (16, 255, 127))],
)
def test_a_colour_stands_in_for_the_background_alone(ground: str, colour: tuple[int, int, int]) -> None:
    made = cut_out(RGB, BOX, MASK, CutoutOptions(ground=ground, frame="picture"))
    expected = np.full((4, 6, 3), colour, np.uint8)
    expected[1, 1], expected[2, 3] = RGB[1, 1], RGB[2, 3]
    np.testing.assert_array_equal(made, expected)


def test_a_margin_widens_the_box_and_stops_at_the_border() -> None:
    assert window(Box(2, 1, 4, 3), CutoutOptions(margin=0.5), 6, 4) == (1, 0, 5, 4)
    assert window(Box(2, 1, 4, 3), CutoutOptions(margin=1.0), 6, 4) == (0, 0, 6, 4)


@given(scenes(), st.sampled_from(["black", "white", "mean", "#123456"]))
def test_a_picture_frame_keeps_the_size_and_paints_outside_the_mask_only(
    scene: tuple[NDArray[np.uint8], Box, NDArray[np.bool_]], ground: str
) -> None:
    rgb, box, mask = scene
    options = CutoutOptions(ground=ground, frame="picture")
    made = cut_out(rgb, box, mask, options)
    assert made.shape == rgb.shape
    np.testing.assert_array_equal(made[mask], rgb[mask])
    assert (made[~mask] == options.colour).all()


@given(scenes(), st.floats(0, 1))
def test_a_box_frame_is_a_part_of_the_picture_pixel_for_pixel(
    scene: tuple[NDArray[np.uint8], Box, NDArray[np.bool_]], margin: float
) -> None:
    rgb, box, mask = scene
    x0, y0, x1, y1 = outward_pixels(box.widened(margin), rgb.shape[1], rgb.shape[0])
    for ground in ("transparent", "black"):
        whole = cut_out(rgb, box, mask, CutoutOptions(ground=ground, frame="picture"))
        part = cut_out(rgb, box, mask, CutoutOptions(ground=ground, margin=margin))
        np.testing.assert_array_equal(part, whole[y0:y1, x0:x1])
    cropped = cut_out(rgb, box, mask, CutoutOptions(ground="crop", margin=margin))
    np.testing.assert_array_equal(cropped, rgb[y0:y1, x0:x1])


@settings(max_examples=40)
@given(scenes(), st.sampled_from(["png", "webp"]))
def test_alpha_and_colours_survive_the_file(
    scene: tuple[NDArray[np.uint8], Box, NDArray[np.bool_]], picture_format: str
) -> None:
    rgb, box, mask = scene
    made = cut_out(rgb, box, mask, CutoutOptions(frame="picture", picture_format=picture_format))
    with Image.open(io.BytesIO(encoded(made, picture_format))) as file:
        kept = np.asarray(file.convert("RGBA"))
    np.testing.assert_array_equal(kept[..., 3] == 255, mask)
    np.testing.assert_array_equal(kept[mask], made[mask])


def test_jpeg_keeps_the_size_and_nearly_the_colours() -> None:
    made = cut_out(RGB, BOX, np.ones_like(MASK), CutoutOptions(ground="white", frame="picture", picture_format="jpeg"))
    with Image.open(io.BytesIO(encoded(made, "jpeg"))) as file:
        assert (file.format, file.size) == ("JPEG", (6, 4))
        assert np.abs(np.asarray(file).astype(int) - RGB).max() < 12


@pytest.mark.parametrize(
    ("options", "field", "allowed"),
    [
        ({"ground": "#12345"}, "ground", "transparent"),
        ({"ground": "Crop"}, "ground", "crop"),
        ({"frame": "square"}, "frame", "picture"),
        ({"picture_format": "gif"}, "format", "webp"),
        ({"picture_format": "jpeg"}, "format", "png"),
        ({"ground": "crop", "frame": "picture"}, "frame", "box"),
        ({"margin": 0.1, "frame": "picture"}, "margin", "0"),
    ],
)
def test_options_that_mean_nothing_are_refused_with_the_right_ones(
    options: dict[str, str], field: str, allowed: str
) -> None:
    with pytest.raises(InvalidFields) as refused:
        CutoutOptions(**options)  # type: ignore[arg-type]
    [problem] = refused.value.problems
    assert problem.field == field
    assert problem.allowed is not None
    assert allowed in problem.allowed


@pytest.mark.parametrize("margin", [-0.1, 1.1, float("nan")])
def test_a_margin_is_a_part_of_the_box(margin: float) -> None:
    with pytest.raises(InvalidFields, match="margin"):
        CutoutOptions(margin=margin)


def test_a_blank_prompt_is_refused() -> None:
    with pytest.raises(InvalidFields, match="prompt"):
        CutoutOptions(prompts=("dog", " "))
