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
class Recognition:
    """An answer. `detections` are in pixels of the upright original (`width`, `height`), best first; a branch that was
    not asked, or could not be, is None."""

    label: str
    confidence: float
    branch: str
    fallback: Fallback | None
    detections: tuple[Detection, ...]
    scores: tuple[Score, ...]
    branches: Mapping[str, Branch | None]
    width: int
    height: int
    timings_ms: Mapping[str, float]


def best_scores(probabilities: NDArray[np.float32], labels: Sequence[str], k: int) -> tuple[Score, ...]:
    """The `k` likeliest of `probabilities [L]`, best first."""
    return tuple(Score(labels[place], float(probabilities[place])) for place in top_k(probabilities, k))


def branch_of(scores: tuple[Score, ...]) -> Branch:
    return Branch(scores[0].label, scores[0].confidence, scores)
