"""One answer from several branches (L2R2, section 3.3 and B.3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Fused:
    """The fused probabilities `[L]` and the branch that decided (the one surest of the fused label)."""

    probabilities: Floats
    branch: str


def max_confidence(branches: Mapping[str, Floats]) -> Fused:
    """The branch with the largest top probability answers alone; of equals the first (B.3, item 1)."""
    winner = max(branches, key=lambda name: float(branches[name].max()))
    return Fused(branches[winner], winner)


def average(branches: Mapping[str, Floats]) -> Fused:
    """The mean of the branches' probabilities (B.3, item 4, without temperatures)."""
    mean: Floats = np.mean(list(branches.values()), axis=0, dtype=np.float32)
    label = int(mean.argmax())
    return Fused(mean, max(branches, key=lambda name: float(branches[name][label])))


Fusion = Callable[[Mapping[str, Floats]], Fused]
FUSIONS: Mapping[str, Fusion] = {"max_confidence": max_confidence, "average": average}
DEFAULT_FUSION = "max_confidence"
