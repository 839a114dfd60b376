"""From a recognition to the document that is sent."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic_core import to_json
from starlette.responses import Response

from service.errors import ModelFailed
from service.models.ports import Encoder, Floats, Localizer
from service.recognition.answers import Branch, Candidate, MetadataEffect, ObjectAnswer, Recognition, Score, Verdict
from service.recognition.boxes import Detection


def recognition_out(
    recognition: Recognition, name: str | None, version: str, models: tuple[Localizer, Encoder], request_id: str
) -> dict[str, Any]:
    """A plain document of the shape of `RecognitionOut`, built without a second validation; of classes that came with
    the request without a `name`.

    Raises:
        ModelFailed: a number of the answer is not finite, which JSON has no word for.
    """
    document = {
        "request_id": request_id,
        "dataset": name,
        "dataset_version": version,
        **_answer(recognition.verdict),
        "fallback": recognition.fallback,
        "box": _box(recognition.detections[0]) if recognition.detections else None,
        **_details(recognition.verdict),
        "image": {"width": recognition.width, "height": recognition.height},
        "metadata": _metadata(recognition.metadata),
        "cascade": vars(recognition.cascade) if recognition.cascade else None,
        "objects": _listed(recognition.objects, _object),
        "candidates": _listed(recognition.candidates, _candidate),
        "embeddings": embeddings_out(recognition.embeddings),
        "cached": recognition.cached,
        "models": {"localizer": models[0].name, "encoder": models[1].name},
        "timings_ms": {stage: round(took, 2) for stage, took in recognition.timings_ms.items()},
    }
    if not _is_finite(document):
        raise _not_finite()
    return document


def json_response(document: Mapping[str, Any]) -> Response:
    """In one pass over a document that needs no validation."""
    return Response(to_json(document), media_type="application/json")


def _not_finite() -> ModelFailed:
    return ModelFailed("the models' numbers for this picture are not finite")


def _is_finite(value: Any) -> bool:
    """Leaving out lists of scores, which are checked when they are made."""
    if isinstance(value, _Scores):
        return True
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _answer(verdict: Verdict) -> dict[str, Any]:
    names = ("label", "confidence", "abstained", "presence", "branch", "fusion", "reason")
    return {name: getattr(verdict, name) for name in names}


def _details(verdict: Verdict) -> dict[str, Any]:
    return {
        "scores": _scores(verdict.scores),
        "branches": {view: _branch(branch) for view, branch in verdict.branches.items()},
    }


def _branch(branch: Branch | None) -> dict[str, Any] | None:
    if branch is None:
        return None
    return {**vars(branch), "scores": _scores(branch.scores)}


class _Scores(list[dict[str, Any]]):
    """There may be 1,000 for each of several views."""


def _scores(scores: Sequence[Score]) -> _Scores:
    if not all(map(math.isfinite, [score.confidence for score in scores])):
        raise _not_finite()
    return _Scores(map(vars, scores))


def _box(found: Detection) -> dict[str, Any]:
    edges = {name: round(value, 2) for name, value in vars(found.box).items()}
    return {**edges, "score": found.score, "prompt": found.prompt}


def _metadata(effect: MetadataEffect | None) -> dict[str, Any] | None:
    if effect is None:
        return None
    return {"used": effect.used, "ignored": effect.ignored, "without": vars(effect.without)}


def _object(entry: ObjectAnswer) -> dict[str, Any]:
    return {**_answer(entry.verdict), "box": _box(entry.detection), **_details(entry.verdict)}


def _candidate(entry: Candidate) -> dict[str, Any]:
    box = _box(entry.detection) if entry.detection else None
    return {"label": entry.label, "box": box, "logits": dict(entry.logits), "combined": entry.combined}


def _listed(entries: Any, document: Any) -> list[dict[str, Any]] | None:
    return None if entries is None else [document(entry) for entry in entries]


def embeddings_out(embeddings: Mapping[str, Floats] | None) -> dict[str, str] | None:
    """Each view's embedding as base64 of little-endian float32."""
    if embeddings is None:
        return None
    rows = {view: np.ascontiguousarray(row, "<f4") for view, row in embeddings.items()}
    return {view: base64.b64encode(row.tobytes()).decode() for view, row in rows.items()}
