"""Metadata priors: what the habitat, the month or the machine says of the classes (L2R2, section 5.1 and Table 4).

A view's probabilities are multiplied by p(class | value) / p(class) for each attribute whose value is known, as if the
picture and the attributes were independent given the class. A zero-shot classifier has learnt no p(class): it is even
unless the dataset says otherwise.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
PriorKind = Literal["probabilities", "counts"]
LEAST_PROBABILITY = 1e-6  # what is impossible by a table stays barely possible


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

    def distribution(self, value: str, labels: Sequence[str]) -> Floats:
        """p(class | value) `[L]`, adding up to 1."""
        row = self.values[value]
        numbers = np.array([row.get(label, 0.0) for label in labels], np.float64)
        if self.kind == "counts":
            numbers = numbers + self.smoothing
        else:
            unnamed = np.array([label not in row for label in labels])
            if unnamed.any():
                numbers[unnamed] = max(0.0, 1.0 - sum(row.values())) / unnamed.sum()
        return _normalized(numbers)


@dataclass(frozen=True)
class AppliedPrior:
    """What a request's metadata did: `log_weights [L]` for every view's logits (None for nothing), the attributes
    used, and for those ignored the reason."""

    log_weights: Floats | None
    used: Mapping[str, str] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)


def apply_priors(
    priors: Mapping[str, Prior],
    metadata: Mapping[str, str],
    labels: Sequence[str],
    class_prior: Mapping[str, float] | None = None,
) -> AppliedPrior:
    """The reweighting by `metadata`; `class_prior` is the p(class) that the scores carry already (None: even). A class
    without a share in it is not reweighted: nothing is known of how much likelier the metadata make it."""
    used, ignored = {}, {}
    for attribute, value in metadata.items():
        if attribute not in priors:
            ignored[attribute] = f"the dataset has no prior for it; it has {_listed(priors)}"
        elif value not in priors[attribute].values:
            ignored[attribute] = f"{value!r} is not among its values {_listed(priors[attribute].values)}"
        else:
            used[attribute] = value
    if not used:
        return AppliedPrior(None, used, ignored)
    weights = np.zeros(len(labels), np.float64)
    for attribute, value in used.items():
        weights += np.log(priors[attribute].distribution(value, labels))
    if class_prior is not None:
        shares = np.array([class_prior.get(label, 0.0) for label in labels], np.float64)
        weights = np.where(shares > 0, weights - len(used) * np.log(_normalized(shares)), 0.0)
    return AppliedPrior(weights.astype(np.float32), used, ignored)


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
