"""What a fusion reads and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from service.recognition.calibration import NEUTRAL, Calibration
from service.recognition.scoring import softmax

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Evidence:
    """What the views say: `logits [V, L]` in the order of `names`, the full picture first where it is among them.

    box_score: the localizer's, of the box that the other views were made with.
    log_prior: `[L]`, added to a branch's scaled logits (section 5.1); None for no prior.
    """

    names: tuple[str, ...]
    logits: Floats
    box_score: float | None = None
    log_prior: Floats | None = None

    def __post_init__(self) -> None:
        if not self.names or self.logits.ndim != 2 or len(self.names) != len(self.logits):
            raise ValueError(f"{len(self.names)} names for logits {list(self.logits.shape)}")

    def with_prior(self, logits: Floats) -> Floats:
        return logits if self.log_prior is None else logits + self.log_prior

    def probabilities(self, calibration: Calibration = NEUTRAL) -> Mapping[str, Floats]:
        """Of each branch `[L]`: softmax of its logits, scaled by its temperature, with the prior."""
        return self._plain if calibration is NEUTRAL else self._scaled(calibration)

    @cached_property
    def _plain(self) -> Mapping[str, Floats]:
        return self._scaled(NEUTRAL)  # most fusions and every answer need them, and classes may be many

    def _scaled(self, calibration: Calibration) -> Mapping[str, Floats]:
        pairs = zip(self.names, self.logits, strict=True)
        return {name: softmax(self.with_prior(calibration.scaled(name, row))) for name, row in pairs}


@dataclass(frozen=True)
class Fused:
    """The fused probabilities `[L]`, the branch that decided (or the one surest of the fused label), and why."""

    probabilities: Floats
    branch: str
    reason: str
