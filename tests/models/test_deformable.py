"""Deformable attention's sampling against bilinear sampling written out pixel by pixel."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from service.models.localizers.deformable import sampled

SHAPES = ((3, 4), (2, 2), (1, 1))  # height and width of each map
HEADS, POINTS, CHANNELS, QUERIES = 2, 3, 4, 5


def by_hand(values: np.ndarray, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    summed = np.zeros((*places.shape[:3], CHANNELS))
    starts = np.cumsum([0, *(height * width for height, width in SHAPES)])
    for picture, query, head, level, point in itertools.product(*map(range, weights.shape)):
        height, width = SHAPES[level]
        x, y = places[picture, query, head, level, point]
        for column, line in itertools.product((math.floor(x), math.floor(x) + 1), (math.floor(y), math.floor(y) + 1)):
            if 0 <= column < width and 0 <= line < height:
                share = (1 - abs(x - column)) * (1 - abs(y - line)) * weights[picture, query, head, level, point]
                summed[picture, query, head] += share * values[picture, starts[level] + line * width + column, head]
    return summed.reshape(*places.shape[:2], HEADS * CHANNELS)


def levels() -> tuple[torch.Tensor, torch.Tensor]:
    sizes = torch.tensor(SHAPES)
    return sizes, torch.cat((torch.zeros(1, dtype=torch.long), sizes.prod(1).cumsum(0)[:-1]))


def drawn(seed: int, batch: int, spread: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    values = torch.randn(batch, sum(map(math.prod, SHAPES)), HEADS, CHANNELS, generator=rng)
    places = torch.randn(batch, QUERIES, HEADS, len(SHAPES), POINTS, 2, generator=rng) * spread
    return values, places, torch.rand(places.shape[:-1], generator=rng)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.sampled_from([0.5, 2.0, 50.0]))
def test_it_is_the_weighted_sum_of_bilinear_samples(seed: int, batch: int, spread: float) -> None:
    values, places, weights = drawn(seed, batch, spread)
    expected = by_hand(values.numpy(), places.numpy(), weights.numpy())
    assert np.allclose(sampled(values, places, weights, *levels()).numpy(), expected, atol=1e-5)


def test_at_a_pixels_centre_it_is_that_pixel() -> None:
    values, places, weights = drawn(1, 1, 1.0)
    weights[:] = 0
    weights[:, :, :, 0, 0] = 1
    places[:, :, :, 0, 0] = torch.tensor([2.0, 1.0])
    rows = sampled(values, places, weights, *levels())
    assert torch.allclose(rows[0, 0], values[0, 1 * 4 + 2].flatten())


@pytest.mark.parametrize("place", [math.nan, math.inf, -math.inf, 1e30, -1e30])
def test_a_place_that_is_no_number_or_far_away_reads_nothing_outside_the_maps(place: float) -> None:
    values, places, weights = drawn(2, 2, 1.0)
    places[1, 3] = place
    rows = sampled(values, places, weights, *levels())
    assert rows.shape == (2, QUERIES, HEADS * CHANNELS)
    assert torch.isfinite(rows[0]).all()
    assert torch.equal(rows[0], sampled(values[:1], places[:1], weights[:1], *levels())[0])
