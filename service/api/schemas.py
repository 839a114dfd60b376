"""Answers on the wire."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.recognition.answers import Fallback


class ScoreOut(BaseModel):
    label: str
    confidence: float


class BranchOut(BaseModel):
    label: str
    confidence: float
    scores: list[ScoreOut]


class BranchesOut(BaseModel):
    full: BranchOut | None
    fg: BranchOut | None


class BoxOut(BaseModel):
    """Pixels of the upright picture; `score` is the localizer's, `prompt` what it found (null without prompts)."""

    x0: float
    y0: float
    x1: float
    y1: float
    score: float
    prompt: str | None


class ImageOut(BaseModel):
    width: int
    height: int


class ModelNames(BaseModel):
    localizer: str
    encoder: str


class RecognitionOut(BaseModel):
    """`scores` are the fused ones, best first; `fallback` says why only the full picture answered, if so."""

    request_id: str
    dataset: str
    dataset_version: str
    label: str
    confidence: float
    branch: str
    fallback: Fallback | None
    box: BoxOut | None
    scores: list[ScoreOut]
    branches: BranchesOut
    image: ImageOut
    models: ModelNames
    timings_ms: dict[str, float]


class ProblemError(BaseModel):
    field: str
    detail: str
    allowed: list[str] | None = None


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None
    errors: list[ProblemError] | None = None


class BatchItem(BaseModel):
    """One picture's answer or its error, in the order of the request."""

    index: int
    result: RecognitionOut | None = None
    error: Problem | None = None


class BatchOut(BaseModel):
    request_id: str
    results: list[BatchItem]


class ClassOut(BaseModel):
    name: str
    prompts: list[str]


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


class DatasetOut(DatasetSummary):
    classes: list[ClassOut]
    templates: list[str]
    localizer_prompts: list[str]
    localizer_prompt_mode: str | None
    box_threshold: float | None
    box_margin: float | None
    encoder: str | None
    fusion: str


class DatasetList(BaseModel):
    datasets: list[DatasetSummary]


class ModelOut(BaseModel):
    name: str
    family: str
    revision: str
    licence: str
    note: str


class ModelsOut(BaseModel):
    """What is loaded, and what the settings could ask for."""

    model_config = ConfigDict(json_schema_extra={"description": "What is loaded, and what could be."})

    profile: str
    device: str
    localizer: ModelOut
    encoder: ModelOut
    box_threshold: float
    branches: list[str]
    fusions: list[str]
    profiles: dict[str, ModelNames]


class Health(BaseModel):
    status: Literal["ok", "unavailable"]
    reason: str | None = None


class WorkerOut(BaseModel):
    alive: bool
    waiting: int
    running_for_s: float


class HealthDetail(Health):
    version: str
    workers: dict[str, WorkerOut] = Field(default_factory=dict)
