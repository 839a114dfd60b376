"""Pictures are resized as Pillow does it."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from service.models.resizing import resized_square

PILLOWS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
MOST_LEVELS_APART = 2


def apart(rgb, side, by):
    """How many levels ours and Pillow's differ by, `[side, side, 3]`."""
    theirs = np.asarray(Image.fromarray(rgb).resize((side, side), PILLOWS[by]))
    return np.abs(resized_square(rgb, side, by).astype(int) - theirs.astype(int))


@pytest.mark.parametrize("by", PILLOWS)
@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 330), st.integers(0, 2**32 - 1))
def test_any_size_becomes_any_other_as_with_pillow(by, height, width, side, seed):
    shades = np.random.default_rng(seed).integers(64, 192, (height, width, 3), dtype=np.uint8)
    assert apart(shades, side, by).max() <= MOST_LEVELS_APART


@pytest.mark.parametrize("by", PILLOWS)
def test_what_is_cut_off_at_black_and_white_between_the_passes_is_little_even_of_noise(by):
    for height, width in ((480, 640), (270, 233), (35, 33)):
        noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        assert apart(noise, 224, by).mean() < 1


def test_a_part_of_a_picture_and_one_that_must_not_be_changed_are_read_where_they_lie():
    rgb = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    part = rgb[10:70, 20:110]
    expected = resized_square(part.copy(), 32, "lanczos")
    rgb.setflags(write=False)
    assert np.array_equal(resized_square(rgb[10:70, 20:110], 32, "lanczos"), expected)
    small = resized_square(rgb, 90, "bicubic")
    assert small.shape == (90, 90, 3)
    assert small.flags.c_contiguous


def test_a_picture_that_must_not_be_changed_is_shared_with_torch_without_a_word() -> None:
    """In a process of its own, as torch would say it once in each."""
    lines = (
        "import numpy as np; rgb = np.zeros((8, 8, 3), np.uint8); rgb.setflags(write=False)",
        "from service.models.resizing import resized_square; resized_square(rgb, 4, 'bicubic')",
    )
    done = subprocess.run(
        [sys.executable, "-W", "error:The given NumPy", "-c", ";".join(lines)], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
