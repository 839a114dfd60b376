"""What a recognition gives back, with its reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.recognition.boxes import Detection
from service.recognition.scoring import top_k

Fallback = Literal["no_detection", "low_score", "timeout", "disabled"]
FALLBACKS: tuple[Fallback, ...] = ("no_detection", "low_score", "timeout", "disabled")
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Score:
    label: str
    confidence: float


@dataclass(frozen=True)
class Branch:
    """What one view says alone: `scores` best first."""

    label: str
    confidence: float
    scores: tuple[Score, ...]


@dataclass(frozen=True)
class Verdict:
    """What the views of one object come to.

    label: None where the answer is withheld (`abstained`); the best class is `scores[0]` all the same. branch: the one
    that decided, or is surest of the label. reason: why, in words. presence: how much speaks for the class being there
    at all. branches: None for one that was asked for and could not be shown.
    """

    label: str | None
    confidence: float
    branch: str
    fusion: str
    reason: str
    presence: float
    abstained: bool
    scores: tuple[Score, ...]
    branches: Mapping[str, Branch | None]


@dataclass(frozen=True)
class MetadataEffect:
    """What the metadata did: attributes used, those ignored with the reason, and the answer without any."""

    used: Mapping[str, str]
    ignored: Mapping[str, str]
    without: Score


@dataclass(frozen=True)
class Cascade:
    """Which view was asked first, how sure it was, and whether the others were left out."""

    first: str
    confidence: float
    stopped: bool


@dataclass(frozen=True)
class ObjectAnswer:
    """One located object of several, with its own answer."""

    detection: Detection
    verdict: Verdict


@dataclass(frozen=True)
class Candidate:
    """One of the full picture's best labels, what it found as a prompt, and its logit in each kind of view."""

    label: str
    detection: Detection | None
    logits: Mapping[str, float]
    combined: float


@dataclass(frozen=True)
class Recognition:
    """An answer. `detections` are in pixels of the upright original (`width`, `height`), best first. What was not asked
    for is None. embeddings: of each view that was shown, `[D]`."""

    verdict: Verdict
    fallback: Fallback | None
    detections: tuple[Detection, ...]
    width: int
    height: int
    timings_ms: Mapping[str, float]
    metadata: MetadataEffect | None = None
    cascade: Cascade | None = None
    objects: tuple[ObjectAnswer, ...] | None = None
    candidates: tuple[Candidate, ...] | None = None
    embeddings: Mapping[str, Floats] | None = None
    cached: bool = False

    @property
    def label(self) -> str | None:
        return self.verdict.label


def box_score(fallback: str | None, best: float | None) -> float | None:
    """As fusions and presence get to see it: the `best` box's score, 0 where none was found (in time), None where none
    was looked for."""
    return None if fallback == "disabled" else best or 0.0


def best_scores(probabilities: Floats, labels: Sequence[str], k: int) -> tuple[Score, ...]:
    """The `k` likeliest of `probabilities [L]`, best first."""
    places = top_k(probabilities, k)
    pairs = zip(places.tolist(), probabilities[places].tolist(), strict=True)
    return tuple(Score(labels[place], confidence) for place, confidence in pairs)


def branch_of(scores: tuple[Score, ...]) -> Branch:
    return Branch(scores[0].label, scores[0].confidence, scores)
