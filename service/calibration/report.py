"""What a calibration found."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.recognition.calibration import Calibration


@dataclass(frozen=True)
class MethodReport:
    """A branch's or fusion's share of right answers and expected calibration error on the pictures held out, without
    and with the calibration. Where a branch had no view, the first that had one stands in, as when answering."""

    method: str
    accuracy_before: float
    accuracy_after: float
    ece_before: float
    ece_after: float


@dataclass(frozen=True)
class CalibrationReport:
    """A calibration, the fusion to answer with, and how both did on the pictures held out.

    abstain_below: confidence (or presence) of that fusion below which none of the classes is answered; kept_right:
    share of its right answers that are left then; answered_none: share of the pictures of none of the classes that are
    answered all the same (None without any). refused: what was not fitted, and why.
    """

    calibration: Calibration
    fusion: str
    abstain_below: float
    kept_right: float
    answered_none: float | None
    methods: tuple[MethodReport, ...]
    fit_count: int
    validation_count: int
    refused: Mapping[str, str]
    seed: int
