"""Fits what the fusions can learn of a dataset to labelled pictures (L2R2, section 3.3 and B.3)."""

from service.calibration.fitting import calibrate
from service.calibration.options import FitOptions
from service.calibration.report import CalibrationReport, MethodReport
from service.calibration.samples import Samples

__all__ = ["CalibrationReport", "FitOptions", "MethodReport", "Samples", "calibrate"]
