"""What may be asked of a calibration."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from service.errors import FieldProblem, InvalidFields
from service.recognition.abstention import ABSTAIN_BY
from service.recognition.fusion import DEFAULT_FUSION, FUSIONS

TemperatureKind = Literal["branch", "class"]
TEMPERATURE_KINDS: tuple[TemperatureKind, ...] = ("branch", "class")
BEST = "best"


@dataclass(frozen=True)
class FitOptions:
    """How to calibrate.

    validation_share: part of every class's pictures that is held out; half, since the choice of the fusion and the
    level of abstention are taken from it as well. temperatures: one for a branch, or one for each of its classes.
    learn: whether the learnt fusions are fitted. fusion: a name, "best" of them, or None for `default_fusion`.
    keep_right: part of the right answers that abstention must leave. abstain_by: what it looks at, `confidence` or
    `presence` (`service.recognition.abstention`).

    Raises: InvalidFields.
    """

    seed: int = 0
    validation_share: float = 0.5
    temperatures: TemperatureKind = "branch"
    learn: bool = True
    fusion: str | None = None
    keep_right: float = 0.95
    default_fusion: str = DEFAULT_FUSION
    abstain_by: str = ABSTAIN_BY[0]

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise InvalidFields(*problems)

    def _problems(self) -> Iterator[FieldProblem]:
        if self.seed < 0:
            yield FieldProblem("seed", f"must be 0 or more, not {self.seed}")
        if not (math.isfinite(self.validation_share) and 0.0 < self.validation_share < 1.0):
            yield FieldProblem("validation_share", f"must lie between 0 and 1, not {self.validation_share}")
        if self.temperatures not in TEMPERATURE_KINDS:
            yield FieldProblem("temperatures", f"{self.temperatures!r} is not known", TEMPERATURE_KINDS)
        if self.fusion is not None and self.fusion not in (*FUSIONS, BEST):
            yield FieldProblem("fusion", f"{self.fusion!r} is not known", (*FUSIONS, BEST))
        if not 0.0 < self.keep_right <= 1.0:
            yield FieldProblem("keep_right", f"must lie in (0, 1], not {self.keep_right}")
        if self.abstain_by not in ABSTAIN_BY:
            yield FieldProblem("abstain_by", f"{self.abstain_by!r} is not known", ABSTAIN_BY)
        if self.default_fusion not in FUSIONS:
            yield FieldProblem("default_fusion", f"{self.default_fusion!r} is not known", tuple(FUSIONS))
