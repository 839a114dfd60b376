"""How right the answers are, and how sure that figure is: counts over arrays, nothing else.

`correct [N, M]` says of each picture whether each of M methods was right, `classes [N]` which class (0 or above) the
picture is of.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]
Doubles = NDArray[np.float64]
LEVEL = 0.95
RESAMPLES = 1000
WEIGHTS_AT_ONCE = 20_000_000  # resample weights held in memory, 4 bytes each


@dataclass(frozen=True)
class Interval:
    """An estimate between the bounds of its confidence interval; ValueError where it is outside."""

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"{self.value} is not from {self.low} to {self.high}")


@dataclass(frozen=True, eq=False)
class Draws:
    """Each method's accuracy in each resample of the pictures: `micro [R, M]`, `macro [R, M]`."""

    micro: Doubles
    macro: Doubles


def micro_accuracy(correct: Bools) -> Doubles:
    """The share of right answers `[M]`.

    Raises:
        ValueError: there are no pictures.
    """
    if not len(correct):
        raise ValueError("no pictures, no accuracy")
    shares: Doubles = correct.mean(axis=0, dtype=np.float64)
    return shares


def per_class(correct: Bools, classes: Ints) -> tuple[Ints, Ints, Doubles]:
    """The classes that occur `[K]`, how many pictures each has `[K]`, and each method's recall of each `[K, M]`."""
    present, counts = np.unique(classes, return_counts=True)
    by_class = correct[np.argsort(classes, kind="stable")]
    starts = np.cumsum(counts) - counts
    hits = np.add.reduceat(by_class, starts, axis=0, dtype=np.float64) if len(counts) else by_class.astype(np.float64)
    return present, counts, hits / counts[:, None]


def macro_accuracy(correct: Bools, classes: Ints) -> Doubles:
    """The mean of the classes' recalls `[M]`. Classes without pictures are left out before averaging (L2R2, sections
    4.2 and 4.3; the rule for missing classes: C.1, FungiTastic).

    Raises:
        ValueError: there are no pictures.
    """
    if not len(correct):
        raise ValueError("no pictures, no accuracy")
    shares: Doubles = per_class(correct, classes)[2].mean(axis=0)
    return shares


def bootstrap(correct: Bools, classes: Ints, rng: np.random.Generator, resamples: int = RESAMPLES) -> Draws:
    """Accuracies of `resamples` collections drawn from the pictures with replacement. All methods see the same ones, so
    that differences between columns are paired. A class that a resample has lost is left out of its macro accuracy.

    Raises:
        ValueError: there are no pictures, or no resamples are wanted.
    """
    if not len(correct):
        raise ValueError("no pictures, nothing to resample")
    if resamples < 1:
        raise ValueError(f"an interval needs at least one resample, not {resamples}")
    order = np.argsort(classes, kind="stable")
    ends = np.cumsum(np.unique(classes, return_counts=True)[1])
    by_class = correct[order].astype(np.float32)
    at_once = max(1, WEIGHTS_AT_ONCE // len(correct))
    sizes = [min(at_once, resamples - done) for done in range(0, resamples, at_once)]
    draws = [_draw(by_class, ends, rng, size) for size in sizes]
    return Draws(np.concatenate([micro for micro, _ in draws]), np.concatenate([macro for _, macro in draws]))


def _draw(by_class: NDArray[np.float32], ends: Ints, rng: np.random.Generator, size: int) -> tuple[Doubles, Doubles]:
    """Micro and macro accuracy `[size, M]` of pictures `[N, M]` in the order of their classes, which end at `ends`."""
    pictures, methods = by_class.shape
    weights = np.empty((size, pictures), np.float32)
    for row in weights:
        row[:] = np.bincount(rng.integers(0, pictures, pictures), minlength=pictures)
    hits, recalls, present = np.zeros((size, methods)), np.zeros((size, methods)), np.zeros((size, 1))
    start = 0
    for end in ends:
        class_weights = weights[:, start:end]
        total = class_weights.sum(axis=1, dtype=np.float64)[:, None]
        class_hits = (class_weights @ by_class[start:end]).astype(np.float64)
        hits += class_hits
        recalls += class_hits / np.maximum(total, 1)
        present += total > 0
        start = end
    return hits / pictures, recalls / present


def intervals(values: Doubles, draws: Doubles, level: float = LEVEL) -> list[Interval]:
    """Percentile intervals of `values [M]` by `draws [R, M]`, widened where need be to hold the value."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    bounds = zip(values, np.minimum(low, values), np.maximum(high, values), strict=True)
    return [Interval(float(value), float(lower), float(upper)) for value, lower, upper in bounds]


def differences(values: Doubles, draws: Doubles, level: float = LEVEL) -> list[Interval]:
    """How far `values [M]` are above the first, with intervals of the paired differences of `draws [R, M]`."""
    return intervals(values - values[0], draws - draws[:, :1], level)


def confusion_counts(truth: Ints, predicted: Ints, size: int) -> Ints:
    """`[size, size]`: how many pictures of each class (rows) were answered with each (columns)."""
    return np.bincount(truth * size + predicted, minlength=size * size).reshape(size, size)


def top_confusions(truth: Ints, predicted: Ints, most: int) -> list[tuple[int, int, int]]:
    """The commonest (truth, predicted, count) of wrong answers, of equals the lower classes first; needs no table of
    all classes squared."""
    wrong = truth != predicted
    pairs, counts = np.unique(np.stack([truth[wrong], predicted[wrong]], axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:most]
    return [(int(pairs[place, 0]), int(pairs[place, 1]), int(counts[place])) for place in order]


def threshold_keeping(confidence: NDArray[np.float32], correct: Bools, keep: float) -> float:
    """The highest confidence at which at least the share `keep` of the right answers is still given; 0 where no answer
    is right. Answers of `confidence [N]` at or above a threshold are given, others withheld.

    Raises:
        ValueError: `keep` is not above 0 and at most 1.
    """
    if not 0 < keep <= 1:
        raise ValueError(f"a share above 0 and at most 1 can be kept, not {keep}")
    right = np.sort(confidence[correct])[::-1]
    if not right.size:
        return 0.0
    needed = max(1, math.ceil(keep * right.size - 1e-9))  # 0.95 * 20 may come out above 19
    return float(right[needed - 1])


def share_answered(confidence: NDArray[np.float32], threshold: float) -> float | None:
    """The share of `confidence [N]` at or above the threshold; None of no answers."""
    return float((confidence >= np.float32(threshold)).mean()) if confidence.size else None
