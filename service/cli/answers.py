"""An answer that came from a service, as the recognition that it was made from, so that both are shown alike."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from service.recognition.answers import Candidate, Cascade, MetadataEffect, ObjectAnswer, Recognition, Verdict
from service.recognition.boxes import Box, Detection

_VERDICT, _CASCADE, _METADATA = TypeAdapter(Verdict), TypeAdapter(Cascade | None), TypeAdapter(MetadataEffect | None)


def recognition_of(document: Mapping[str, Any]) -> Recognition:
    """Of what is sent as an answer; embeddings are left out."""
    best = _detection(document["box"])
    return Recognition(
        verdict=_VERDICT.validate_python(document),
        fallback=document["fallback"],
        detections=() if best is None else (best,),
        width=document["image"]["width"],
        height=document["image"]["height"],
        timings_ms=document["timings_ms"],
        metadata=_METADATA.validate_python(document["metadata"]),
        cascade=_CASCADE.validate_python(document["cascade"]),
        objects=_listed(document["objects"], _object),
        candidates=_listed(document["candidates"], _candidate),
        cached=document["cached"],
    )


def _detection(box: Mapping[str, Any] | None) -> Detection | None:
    if box is None:
        return None
    return Detection(Box(box["x0"], box["y0"], box["x1"], box["y1"]), box["score"], box["prompt"])


def _object(entry: Mapping[str, Any]) -> ObjectAnswer:
    found = _detection(entry["box"])
    assert found is not None
    return ObjectAnswer(found, _VERDICT.validate_python(entry))


def _candidate(entry: Mapping[str, Any]) -> Candidate:
    return Candidate(entry["label"], _detection(entry["box"]), entry["logits"], entry["combined"])


def _listed(entries: Any, made: Any) -> tuple[Any, ...] | None:
    return None if entries is None else tuple(map(made, entries))
