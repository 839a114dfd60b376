"""One temperature for each class of a branch (L2R2, B.3, equation 3; Frenkel and Goldberger 2021).

A greedy search: class by class, those of most pictures first, a grid of temperatures is tried, and the one with the
least calibration error is taken of those with which no right answer is lost. One trial changes a single column of the
logits, so the rest of each row is summed up once: a pass costs O(N L + G K), K being the pairs of picture and class
that can matter, of G temperatures each; never O(N L^2).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.calibration.refusals import NotFitted
from service.recognition.reliability import BINS, bins_of

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Places = NDArray[np.intp]
LEAST_PICTURES = 10  # that are, or are said to be, of a class for it to have a temperature of its own
PASSES = 2
# A class's temperature by its branch's. Wider ones would let a few pictures change a class's rank at will.
FACTORS = 2.0 ** np.array(sorted(np.linspace(-1, 1, 17), key=abs))
NEGLIGIBLE = np.log(1e-4)  # a probability; with less, a class does not matter to a picture


class Rest(NamedTuple):
    """Of each picture's scaled logits, one class left out or none: the place and value of the largest, and the sum of
    exp(value - largest); all `[n]`."""

    top: Places
    largest: Doubles
    total: Doubles


def fit_class_temperatures(logits: Floats, truth: Places, start: float) -> tuple[Doubles, int]:
    """Temperatures `[L]` of a branch's `logits [n, L]`, and how many classes have too few pictures and keep `start`,
    the branch's own.

    Raises:
        NotFitted: no class has enough pictures.
    """
    wide = logits.astype(np.float64)
    search = _Search(wide - wide.mean(axis=1, keepdims=True), truth, start)
    counts = np.bincount(truth, minlength=logits.shape[1])
    counts += np.bincount(search.rest.top[search.rest.top != truth], minlength=logits.shape[1])
    enough = [int(label) for label in np.argsort(-counts, kind="stable") if counts[label] >= LEAST_PICTURES]
    if not enough:
        raise NotFitted(f"needs {LEAST_PICTURES} pictures of a class; {counts.max()} are the most")
    for _ in range(PASSES):
        if not [label for label in enough if search.improve(label)]:
            break
    return search.temperatures, len(counts) - len(enough)


class _Search:
    """Temperatures `[L]` on their way, with what they make of the centred `logits [n, L]`."""

    def __init__(self, logits: Doubles, truth: Places, start: float) -> None:
        self.logits, self.truth, self.start = logits, truth, start
        self.temperatures = np.full(logits.shape[1], start)
        self.rest = _rest(logits / self.temperatures)

    def improve(self, label: int) -> bool:
        """Takes the best factor for a class; of equals the present one, else the nearest to 1. True for a change."""
        rest = self._without(label)
        tried = np.concatenate([self.temperatures[[label]], self.start * FACTORS])
        errors, hits = self._measured(label, tried, rest)
        best = int(np.where(hits >= hits[0], errors, np.inf).argmin())
        if best == 0:
            return False
        self.temperatures[label] = tried[best]
        mine = self.logits[:, label] / tried[best]
        largest = np.maximum(mine, rest.largest)
        total = rest.total * np.exp(rest.largest - largest) + np.exp(mine - largest)
        self.rest = Rest(np.where(mine > rest.largest, label, rest.top), largest, total)
        return True

    def _without(self, label: int) -> Rest:
        top, largest = self.rest.top.copy(), self.rest.largest.copy()
        total = self.rest.total - np.exp(self.logits[:, label] / self.temperatures[label] - largest)
        mine = np.flatnonzero(top == label)
        others = self.logits[mine] / self.temperatures
        others[:, label] = -np.inf
        # Here the difference would cancel: the class left out is most of the sum.
        top[mine], largest[mine], total[mine] = _rest(others)
        return Rest(top, largest, total)

    def _measured(self, label: int, tried: Doubles, rest: Rest) -> tuple[Doubles, Places]:
        """The calibration error and the right answers `[G]` with each temperature tried for a class."""
        logits, level = self.logits[:, label], rest.largest + np.log(rest.total)
        matters = np.maximum(logits / tried.min(), logits / tried.max()) > level + NEGLIGIBLE
        right = rest.top == self.truth
        gaps = _gaps(1 / rest.total[~matters][None], right[~matters][None])
        values, largest, level = logits[matters] / tried[:, None], rest.largest[matters], level[matters]
        confidence = np.exp(np.maximum(values, largest) - np.logaddexp(values, level))
        now = np.where(values > largest, self.truth[matters] == label, right[matters])
        gaps = gaps + _gaps(confidence, now)
        return np.abs(gaps).sum(axis=1) / len(logits), now.sum(axis=1) + right[~matters].sum()


def _rest(values: Doubles) -> Rest:
    top = values.argmax(axis=1)
    largest = np.take_along_axis(values, top[:, None], axis=1)
    return Rest(top, largest[:, 0], np.exp(values - largest).sum(axis=1))


def _gaps(confidence: Doubles, right: NDArray[np.bool_]) -> Doubles:
    """Confidence less accuracy, summed over each bin `[G, B]`, of `confidence [G, n]`."""
    places = bins_of(confidence) + BINS * np.arange(len(confidence))[:, None]
    sums = np.bincount(places.ravel(), (confidence - right).ravel(), minlength=BINS * len(confidence))
    return sums.astype(np.float64).reshape(-1, BINS)
