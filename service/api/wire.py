"""From a recognition to the document that is sent."""

from typing import Any

from service.models.ports import Encoder, Localizer
from service.recognition.answers import Branch, Recognition


def recognition_out(
    recognition: Recognition, name: str, version: str, models: tuple[Localizer, Encoder], request_id: str
) -> dict[str, Any]:
    """A plain document of the shape of `RecognitionOut`, built without a second validation."""
    return {
        "request_id": request_id,
        "dataset": name,
        "dataset_version": version,
        "label": recognition.label,
        "confidence": recognition.confidence,
        "branch": recognition.branch,
        "fallback": recognition.fallback,
        "box": _box(recognition),
        "scores": [vars(score) for score in recognition.scores],
        "branches": {view: _branch(branch) for view, branch in recognition.branches.items()},
        "image": {"width": recognition.width, "height": recognition.height},
        "models": {"localizer": models[0].name, "encoder": models[1].name},
        "timings_ms": {stage: round(took, 2) for stage, took in recognition.timings_ms.items()},
    }


def _branch(branch: Branch | None) -> dict[str, Any] | None:
    if branch is None:
        return None
    return {**vars(branch), "scores": [vars(score) for score in branch.scores]}


def _box(recognition: Recognition) -> dict[str, Any] | None:
    if not recognition.detections:
        return None
    found = recognition.detections[0]
    edges = {name: round(value, 2) for name, value in vars(found.box).items()}
    return {**edges, "score": found.score, "prompt": found.prompt}
