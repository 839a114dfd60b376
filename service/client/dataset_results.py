"""Datasets, their versions and calibrations, and the loaded models, as they arrive."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.client.results import ModelNames, Result


class ClassEntry(Result):
    """`images` are `sha256:` and the digests of example pictures."""

    name: str
    prompts: tuple[str, ...] = ()
    images: tuple[str, ...] | None = None
    image_weight: float | None = None


class DatasetSummary(Result):
    """`version` answers now; `building` will, when `progress` (0 to 1) is complete. `status`: ready, building or
    failed, which `failure` explains."""

    name: str
    status: str
    version: str | None = None
    building: str | None = None
    progress: float = 1.0
    failure: str | None = None
    class_count: int
    created_at: datetime
    updated_at: datetime


class Dataset(DatasetSummary):
    """With its content, as it may be sent again."""

    classes: tuple[ClassEntry, ...]
    templates: tuple[str, ...]
    localizer_prompts: tuple[str, ...] = ()
    localizer_prompt_mode: str | None = None
    box_threshold: float | None = None
    box_margin: float | None = None
    encoder: str | None = None
    fusion: str
    branches: tuple[str, ...] | None = None
    pad_colour: str = "mean"
    wide_margin: float | None = None
    blur: float | None = None
    priors: Mapping[str, Any] = {}
    class_prior: Mapping[str, float] | None = None
    cascade: float | None = None
    cascade_first: str = "full"
    abstain_below: float | None = None
    abstain_by: str = "confidence"
    calibration: Mapping[str, Any] | None = None

    def classes_document(self) -> list[dict[str, Any]]:
        """The classes as they may be sent again."""
        return [entry.model_dump(exclude_none=True) for entry in self.classes]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.classes)


class DatasetVersion(Result):
    """A version that `dataset_version` may name; the `current` one answers where none is named."""

    version: str
    created_at: datetime
    current: bool
    origin: str
    note: Mapping[str, Any] = {}


class MethodFigures(Result):
    """Of a view or a fusion on the pictures held out, without and with the calibration; ECE: expected calibration
    error."""

    method: str
    accuracy_before: float
    accuracy_after: float
    ece_before: float
    ece_after: float


class CalibrationReport(Result):
    """The further version that a calibration made; `refused` says what was not fitted, and why."""

    name: str
    version: str
    base_version: str
    current: bool
    fusion: str
    branches: tuple[str, ...]
    abstain_by: str
    abstain_below: float
    kept_right: float
    answered_none: float | None = None
    methods: tuple[MethodFigures, ...]
    fit_count: int
    validation_count: int
    refused: Mapping[str, str] = {}
    seed: int = 0


class ModelInfo(Result):
    name: str
    family: str
    revision: str
    licence: str
    note: str


class ProfileModels(ModelNames):
    segmenter: str | None = None


class Models(Result):
    """What is loaded, and the names that requests and settings may use, with a line on each. `pad_colour`: what `mean`
    stands for."""

    profile: str
    device: str
    localizer: ModelInfo
    segmenter: ModelInfo | None = None
    encoder: ModelInfo
    box_threshold: float
    box_margin: float
    pad_colour: str
    max_body_bytes: int
    usual_branches: tuple[str, ...]
    branches: Mapping[str, str]
    fusions: Mapping[str, str]
    profiles: Mapping[str, ProfileModels]
