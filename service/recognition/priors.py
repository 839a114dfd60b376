"""Metadata priors: what the habitat, the month or the machine says of the classes (L2R2, section 5.1 and Table 4).

A view's probabilities are multiplied by p(class | value) / p(class) for each attribute whose value is known, as if the
picture and the attributes were independent given the class. A zero-shot classifier has learnt no p(class): it is even
unless the dataset says otherwise.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
PriorKind = Literal["probabilities", "counts"]
LEAST_PROBABILITY = 1e-6  # what is impossible by a table stays barely possible
TABLES_KEPT = 32  # as arrays, of one dataset: of 100,000 classes each takes 0.4 MB, and some 10 ms to make


@dataclass(frozen=True)
class Prior:
    """One attribute's table: for each of its values, numbers of classes by name; a class not named has 0.

    counts: how often each class was seen with the value; `smoothing` is added to every class's.
    probabilities: p(class | value), adding up to at most 1; what is left is shared by the classes not named.
    """

    kind: PriorKind
    values: Mapping[str, Mapping[str, float]]
    smoothing: float = 1.0

    def __post_init__(self) -> None:
        numbers = [number for row in self.values.values() for number in row.values()]
        if any(not math.isfinite(number) or number < 0 for number in numbers):
            raise ValueError("a prior's numbers are finite and not negative")
        if not math.isfinite(self.smoothing) or self.smoothing < 0:
            raise ValueError("smoothing is a finite number of at least 0")
        for value, row in self.values.items():
            if self.kind == "probabilities" and sum(row.values()) > 1 + 1e-6:
                raise ValueError(f"the probabilities given {value!r} add up to more than 1")

    def distribution(self, value: str, places: Mapping[str, int]) -> Floats:
        """p(class | value) `[L]`, adding up to 1, for the labels of these `places`."""
        row = self.values[value]
        named = [place for label in row if (place := places.get(label)) is not None]
        numbers, unnamed = np.zeros(len(places)), np.full(len(places), True)
        numbers[named] = [number for label, number in row.items() if label in places]
        unnamed[named] = False
        if self.kind == "counts":
            numbers += self.smoothing
        elif unnamed.any():
            numbers[unnamed] = max(0.0, 1.0 - sum(row.values())) / unnamed.sum()
        return _normalized(numbers)


@dataclass(frozen=True)
class AppliedPrior:
    """What a request's metadata did: `log_weights [L]` for every view's logits (None for nothing), the attributes
    used, and for those ignored the reason."""

    log_weights: Floats | None
    used: Mapping[str, str] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)


class PriorTables:
    """A dataset's priors over its classes, those used last kept as arrays. Safe to use from several threads.

    class_prior: the p(class) that the scores carry already (None: even). A class without a share in it is not
    reweighted: nothing is known of how much likelier the metadata make it.
    """

    def __init__(
        self, priors: Mapping[str, Prior], labels: Sequence[str], class_prior: Mapping[str, float] | None = None
    ) -> None:
        self._priors, self._labels, self._class_prior = priors, labels, class_prior
        self._log_row = lru_cache(TABLES_KEPT)(self._make_log_row)

    def apply(self, metadata: Mapping[str, str]) -> AppliedPrior:
        """The reweighting by `metadata`."""
        used, ignored = {}, {}
        for attribute, value in metadata.items():
            if attribute not in self._priors:
                ignored[attribute] = f"the dataset has no prior for it; it has {_listed(self._priors)}"
            elif value not in self._priors[attribute].values:
                known = _listed(self._priors[attribute].values)
                ignored[attribute] = f"{value!r} is not among its values {known}"
            else:
                used[attribute] = value
        return AppliedPrior(self._weights(used) if used else None, used, ignored)

    def _weights(self, used: Mapping[str, str]) -> Floats:
        weights = np.zeros(len(self._labels), np.float64)
        for attribute, value in used.items():
            weights += self._log_row(attribute, value)
        if self._class_prior is not None:
            shared, log_shares = self._log_shares
            weights = np.where(shared, weights - len(used) * log_shares, 0.0)
        return weights.astype(np.float32)

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return places_of(self._labels)

    @cached_property
    def _log_shares(self) -> tuple[NDArray[np.bool_], Floats]:
        shares = np.array([(self._class_prior or {}).get(label, 0.0) for label in self._labels], np.float64)
        return shares > 0, np.log(_normalized(shares))

    def _make_log_row(self, attribute: str, value: str) -> Floats:
        row: Floats = np.log(self._priors[attribute].distribution(value, self._places))
        return row


def places_of(labels: Sequence[str]) -> dict[str, int]:
    return {label: place for place, label in enumerate(labels)}


def _normalized(numbers: NDArray[np.float64]) -> Floats:
    """Numbers of at least 0 as probabilities of at least LEAST_PROBABILITY; all zeros mean that all are alike."""
    total = numbers.sum()
    shares = numbers / total if total > 0 else np.full(len(numbers), 1 / len(numbers))
    floored = np.maximum(shares, LEAST_PROBABILITY)
    probabilities: Floats = (floored / floored.sum()).astype(np.float32)
    return probabilities


def _listed(names: Mapping[str, object], most: int = 20) -> str:
    shown = ", ".join(list(names)[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "") if names else "none"
