"""Datasets on the wire, as they are answered."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from service.recognition.calibration import Calibration


class ClassOut(BaseModel):
    """`images` are `sha256:` and the digest of the example pictures; a class without any has no such fields."""

    name: str
    prompts: list[str]
    images: list[str] | None = None
    image_weight: float | None = None


class DatasetSummary(BaseModel):
    """`version` answers now; `building` will, when `progress` (0 to 1) is complete."""

    name: str
    status: Literal["ready", "building", "failed"]
    version: str | None
    building: str | None
    progress: float
    failure: str | None
    class_count: int
    created_at: datetime
    updated_at: datetime


class PriorOut(BaseModel):
    """Either counts or probabilities."""

    counts: dict[str, dict[str, float]] | None = None
    probabilities: dict[str, dict[str, float]] | None = None
    smoothing: float


class DatasetOut(DatasetSummary):
    classes: list[ClassOut]
    templates: list[str]
    localizer_prompts: list[str]
    localizer_prompt_mode: str | None
    box_threshold: float | None
    box_margin: float | None
    encoder: str | None
    fusion: str
    branches: list[str] | None
    pad_colour: str
    wide_margin: float | None
    blur: float | None
    priors: dict[str, PriorOut]
    class_prior: dict[str, float] | None
    cascade: float | None
    cascade_first: str
    abstain_below: float | None
    abstain_by: str
    calibration: Calibration | None


class DatasetList(BaseModel):
    datasets: list[DatasetSummary]


class DatasetVersion(BaseModel):
    """A version that `dataset_version` may name; the `current` one answers where none is named. `note` is what was
    written down when it was made."""

    version: str
    created_at: datetime
    current: bool
    origin: Literal["registered", "calibrated"]
    note: dict[str, Any]


class DatasetVersions(BaseModel):
    versions: list[DatasetVersion]
