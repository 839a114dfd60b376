"""A localizer's mask at the picture's size is made where its box is, as if it had been made everywhere."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from service.recognition.boxes import Box, Detection
from service.recognition.views import box_mask
from service.stages.locating import INSIDE, full_size

LENGTHS, PLACES = st.integers(1, 90), st.floats(-0.2, 1.2)


@given(LENGTHS, LENGTHS, LENGTHS, LENGTHS, st.tuples(PLACES, PLACES, PLACES, PLACES), st.integers(0, 2**32 - 1))
def test_it_is_the_whole_mask_inside_the_box(height, width, rows, columns, places, seed):
    x0, x1 = sorted(place * width for place in places[:2])
    y0, y1 = sorted(place * height for place in places[2:])
    assume(x0 < x1 and y0 < y1)
    box, rgb = Box(x0, y0, x1, y1), np.zeros((height, width, 3), np.uint8)
    levels = np.random.default_rng(seed).integers(0, 256, (rows, columns), dtype=np.uint8)
    whole = np.asarray(Image.fromarray(levels).resize((width, height), Image.Resampling.BILINEAR)).astype(int)
    mask = full_size(Detection(box, 0.5, mask=levels), rgb)
    boxed = box_mask(rgb, box)
    assert not mask[~boxed].any()
    clear = boxed & (np.abs(whole - INSIDE - 0.5) > 1)  # sums of fractions may be rounded otherwise
    assert np.array_equal(mask[clear], whole[clear] > INSIDE)
