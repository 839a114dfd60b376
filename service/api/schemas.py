"""Answers on the wire."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.api.cache_schemas import CacheOut, ListsOut
from service.recognition.answers import Fallback


class ScoreOut(BaseModel):
    label: str
    confidence: float


class BranchOut(BaseModel):
    label: str
    confidence: float
    scores: list[ScoreOut]


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


class VerdictOut(BaseModel):
    """`label` is null where the answer is withheld (`abstained`); `scores[0]` is the best class all the same. `branch`
    decided, or is surest of the label, as `reason` says. `presence` says how much speaks for the class being in the
    picture at all. `scores` are the fused ones, best first; a branch that could not be shown is null."""

    label: str | None
    confidence: float
    abstained: bool
    presence: float
    branch: str
    fusion: str
    reason: str
    scores: list[ScoreOut]
    branches: dict[str, BranchOut | None]


class MetadataOut(BaseModel):
    """What the metadata did: attributes used, those ignored and why, and the best class without any."""

    used: dict[str, str]
    ignored: dict[str, str]
    without: ScoreOut


class CascadeOut(BaseModel):
    """The view that was asked first, how sure it was, and whether the others were left out."""

    first: str
    confidence: float
    stopped: bool


class ObjectOut(VerdictOut):
    """One located object with its own answer, from the views made with its box."""

    box: BoxOut


class CandidateOut(BaseModel):
    """One of the full picture's best labels, the box that it found as a prompt, and its logits."""

    label: str
    box: BoxOut | None
    logits: dict[str, float]
    combined: float


class RecognitionOut(VerdictOut):
    """`fallback` says why only the full picture answered, if so. What was not asked for is null. `cached`: no model ran
    for it, all was known from the same picture before; `timings_ms` holds the stages that took place. `dataset` is null
    where the request gave its own classes; `dataset_version` is a fingerprint of the content in either case."""

    request_id: str
    dataset: str | None
    dataset_version: str
    fallback: Fallback | None
    box: BoxOut | None
    image: ImageOut
    metadata: MetadataOut | None
    cascade: CascadeOut | None
    objects: list[ObjectOut] | None
    candidates: list[CandidateOut] | None
    embeddings: dict[str, str] | None
    cached: bool
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


class ModelOut(BaseModel):
    name: str
    family: str
    revision: str
    licence: str
    note: str


class ProfileOut(ModelNames):
    segmenter: str | None


class ModelsOut(BaseModel):
    """What is loaded, and what the settings could ask for. `pad_colour`: what `mean` stands for."""

    model_config = ConfigDict(json_schema_extra={"description": "What is loaded, and what could be."})

    profile: str
    device: str
    localizer: ModelOut
    segmenter: ModelOut | None
    encoder: ModelOut
    box_threshold: float
    box_margin: float
    pad_colour: str
    max_body_bytes: int
    usual_branches: list[str]
    branches: dict[str, str]
    fusions: dict[str, str]
    profiles: dict[str, ProfileOut]


class Health(BaseModel):
    status: Literal["ok", "unavailable"]
    reason: str | None = None


class WorkerOut(BaseModel):
    alive: bool
    waiting: int
    running_for_s: float
    batches: int
    items: int
    succeeded_ago_s: float
    failures: int
    out_of_memory: bool
    batch_sizes: dict[int, int] = Field(description="How many batches had so many items.")


class HealthDetail(Health):
    version: str
    workers: dict[str, WorkerOut] = Field(default_factory=dict)
    cache: CacheOut | None = None
    class_lists: ListsOut | None = None
