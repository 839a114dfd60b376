"""Choices by accuracy: of a threshold, of the branches' weights, and of the confidence below which none is answered."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.calibration.refusals import NotFitted
from service.recognition.calibration import Calibration
from service.recognition.evidence import Evidence
from service.recognition.fusion import FUSIONS

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Places = NDArray[np.intp]
ALWAYS, NEVER = Calibration(threshold=0.0), Calibration(threshold=1.0)
STEPS = 100
DRAWS = 500


def fit_threshold(evidence: Sequence[Evidence], truth: Places) -> float:
    """The threshold with which the `threshold` policy is right most often (L2R2, B.3, item 3).

    Accuracy changes only at the crop's confidences, so every threshold is tried; the answer is the middle of the widest
    range of equally good ones, the lowest of equally wide ones (0.5 where none makes a difference).

    Raises:
        NotFitted: no picture has two views.
    """
    several = [place for place, item in enumerate(evidence) if len(item.names) > 1]
    if not several:
        raise NotFitted("needs pictures with two views")
    policy = FUSIONS["threshold"]
    crop = [policy(evidence[place], ALWAYS).probabilities for place in several]
    other = [policy(evidence[place], NEVER).probabilities for place in several]
    sure = np.array([row.max() for row in crop], np.float64)
    gain = np.array([row.argmax() for row in crop]) == truth[several]
    gain = gain.astype(np.intp) - (np.array([row.argmax() for row in other]) == truth[several])
    edges, at = np.unique(sure, return_inverse=True)
    # Above edge i the crops of confidence up to it are no longer asked.
    gains = gain.sum() - np.concatenate([[0], np.cumsum(np.bincount(at, gain))])
    bounds = np.concatenate([[0.0], edges, [1.0]])
    ranges = [(bounds[first], bounds[last + 1]) for first, last in _runs(gains == gains.max())]
    low, high = max(ranges, key=lambda ends: ends[1] - ends[0])
    return float((low + high) / 2)


def fit_weights(scaled: Floats, truth: Places, seed: int) -> tuple[float, ...]:
    """Weights of the branches, adding up to 1, with which the mean of the `scaled [n, V, L]` logits is right most often
    (L2R2, B.3, item 5).

    Of two branches the middle of the longest row of equally good steps of 0.01, the one nearest to even weights of
    equally long ones; of more branches, of even weights, single branches and seeded draws, the best nearest to even.

    Raises:
        NotFitted: there are no pictures, or only one branch.
    """
    branches = scaled.shape[1]
    if branches < 2 or not len(truth):
        raise NotFitted("needs pictures with a view of each of two branches or more")
    tried = _weights_to_try(branches, seed)
    # Where every branch is right, so is every mean of them.
    unsure = ~(scaled.argmax(axis=2) == truth[:, None]).all(axis=1)
    rows, wanted = np.moveaxis(scaled[unsure], 1, 0), truth[unsure]
    hits = np.array([(_mean(rows, weights).argmax(axis=1) == wanted).sum() for weights in tried])
    best = hits == hits.max()
    if branches == 2:
        first, last = max(_runs(best), key=lambda ends: (ends[1] - ends[0], -abs(ends[0] + ends[1] - STEPS)))
        chosen = tried[(first + last) // 2]
    else:
        off = np.abs(tried - 1 / branches).sum(axis=1)
        chosen = tried[np.where(best, off, np.inf).argmin()]
    return tuple(chosen.tolist())


def fit_abstention(confidence: Floats, right: NDArray[np.bool_], keep_right: float) -> float:
    """The largest confidence such that at least `keep_right` of the right answers are as sure; 0 without any."""
    sure = np.sort(confidence[right])
    if not sure.size:
        return 0.0
    return float(sure[sure.size - math.ceil(keep_right * sure.size - 1e-9)])


def _mean(rows: Floats, weights: Doubles) -> Floats:
    """`[n, L]` of `rows [V, n, L]`."""
    mean: Floats = np.tensordot(weights.astype(np.float32), rows, axes=1)
    return mean


def _weights_to_try(branches: int, seed: int) -> Doubles:
    if branches == 2:
        first = np.arange(STEPS + 1)
        return np.stack([first, STEPS - first], axis=1) / STEPS
    drawn = np.random.default_rng(seed).dirichlet(np.ones(branches), DRAWS)
    return np.concatenate([np.full((1, branches), 1 / branches), np.eye(branches), drawn])


def _runs(good: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last places of the rows of neighbours that are true."""
    padded = np.concatenate([[False], good, [False]]).astype(np.int8)
    steps = np.diff(padded)
    return list(zip(np.flatnonzero(steps == 1).tolist(), (np.flatnonzero(steps == -1) - 1).tolist(), strict=True))
