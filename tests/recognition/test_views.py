import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.recognition.boxes import Box
from service.recognition.views import crop, foreground, padded_square

pictures = hnp.arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24), st.just(3)))
COLOUR = (1, 2, 3)


@given(pictures)
def test_a_padded_square_holds_the_picture_in_its_middle_and_the_colour_around(rgb: np.ndarray) -> None:
    height, width = rgb.shape[:2]
    square = padded_square(rgb, COLOUR)
    side = max(height, width)
    assert square.shape == (side, side, 3)
    top, left = (side - height) // 2, (side - width) // 2
    assert np.array_equal(square[top : top + height, left : left + width], rgb)
    ground = np.ones((side, side), bool)
    ground[top : top + height, left : left + width] = False
    assert (square[ground] == COLOUR).all()


@given(pictures)
def test_padding_a_square_changes_nothing(rgb: np.ndarray) -> None:
    square = padded_square(rgb, COLOUR)
    assert np.array_equal(padded_square(square, (9, 9, 9)), square)


@given(pictures, st.integers(0, 23), st.integers(0, 23), st.integers(1, 24), st.integers(1, 24))
def test_a_crop_by_whole_pixels_is_a_slice(rgb: np.ndarray, x0: int, y0: int, width: int, height: int) -> None:
    rows, columns = rgb.shape[:2]
    x0, y0 = min(x0, columns - 1), min(y0, rows - 1)
    x1, y1 = min(x0 + width, columns), min(y0 + height, rows)
    assert np.array_equal(crop(rgb, Box(x0, y0, x1, y1)), rgb[y0:y1, x0:x1])


def test_a_margin_widens_the_crop_up_to_the_edge_of_the_picture() -> None:
    rgb = np.arange(10 * 10 * 3, dtype=np.uint8).reshape(10, 10, 3)
    assert np.array_equal(crop(rgb, Box(4, 4, 6, 8), margin=0.5), rgb[2:10, 3:7])


def test_the_foreground_is_the_padded_crop() -> None:
    rgb = np.full((10, 10, 3), 200, np.uint8)
    view = foreground(rgb, Box(2, 2, 4, 8), COLOUR)
    assert view.shape == (6, 6, 3)
    assert (view[:, 2:4] == 200).all()
    assert (view[:, :2] == COLOUR).all()
