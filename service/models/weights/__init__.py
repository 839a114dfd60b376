"""The models cache: weights are downloaded once, checked by sha256 and never run as code."""

from service.models.weights.digest import ExpectedFile, FileCheck
from service.models.weights.progress import BarProgress, LogProgress, Progress
from service.models.weights.store import WeightsStatus, WeightsStore

__all__ = [
    "BarProgress",
    "ExpectedFile",
    "FileCheck",
    "LogProgress",
    "Progress",
    "WeightsStatus",
    "WeightsStore",
]
