"""Answers as they arrive: frozen, typed, and patient with a newer service, whose further fields are kept."""

import base64
import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from service.errors import ServiceError

Asked = TypeVar("Asked")


class Result(BaseModel):
    """What is unknown to this version is in `model_extra`."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Score(Result):
    label: str
    confidence: float


class Branch(Result):
    """What one view says alone: `scores` best first."""

    label: str
    confidence: float
    scores: tuple[Score, ...]


class Box(Result):
    """Pixels of the upright picture; `score` is the localizer's, `prompt` what it found (None without prompts)."""

    x0: float
    y0: float
    x1: float
    y1: float
    score: float
    prompt: str | None = None


class ImageSize(Result):
    """Pixels of the upright picture."""

    width: int
    height: int


class ModelNames(Result):
    localizer: str
    encoder: str


class Verdict(Result):
    """`label` is None where the answer is withheld (`abstained`); `scores[0]` is the best class all the same. `branch`
    decided, or is surest of the label, as `reason` says. A branch that was asked for and could not be shown is None."""

    label: str | None
    confidence: float
    abstained: bool = False
    presence: float = 0.0
    branch: str
    fusion: str
    reason: str
    scores: tuple[Score, ...]
    branches: Mapping[str, Branch | None]


class MetadataEffect(Result):
    """Attributes used, those ignored and why, and the best class without any."""

    used: Mapping[str, str]
    ignored: Mapping[str, str]
    without: Score


class Cascade(Result):
    """The view that was asked first, how sure it was, and whether the others were left out."""

    first: str
    confidence: float
    stopped: bool


class ObjectAnswer(Verdict):
    """One located object with its own answer."""

    box: Box


class Candidate(Result):
    """One of the full picture's best labels, the box that it found as a prompt, and its logits."""

    label: str
    box: Box | None
    logits: Mapping[str, float]
    combined: float


class Answer(Verdict):
    """What is seen in one picture. `dataset` is None for classes that came with the request. `fallback` says why the
    full picture alone answered, if it did; what was not asked for is None."""

    request_id: str | None = None
    dataset: str | None = None
    dataset_version: str
    fallback: str | None = None
    box: Box | None = None
    image: ImageSize
    metadata: MetadataEffect | None = None
    cascade: Cascade | None = None
    objects: tuple[ObjectAnswer, ...] | None = None
    candidates: tuple[Candidate, ...] | None = None
    embeddings: Mapping[str, str] | None = None
    cached: bool = False
    models: ModelNames
    timings_ms: Mapping[str, float]

    def embedding(self, view: str) -> "array[float]":
        """A view's embedding as numbers. Raises KeyError where none was asked for, or the view not shown."""
        numbers = array("f", base64.b64decode((self.embeddings or {})[view]))
        if sys.byteorder == "big":
            numbers.byteswap()
        return numbers


@dataclass(frozen=True)
class Outcome(Generic[Asked]):
    """One picture of many: `asked` is what was given, `index` its place; either `answer` or `error` is there."""

    index: int
    asked: Asked
    answer: Answer | None = None
    error: ServiceError | OSError | None = None

    def unwrap(self) -> Answer:
        """The answer. Raises the error where there is none."""
        if self.answer is not None:
            return self.answer
        raise self.error or ValueError("neither an answer nor an error")
