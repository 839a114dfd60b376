"""Answers as tasks with predictions, as Label Studio imports them (its guide, "Import pre-annotated data")."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from service.cli.outputs.coco import boxed
from service.cli.outputs.rows import Record, json_bytes
from service.client import Answer, Box, Verdict

SERVED = "/data/local-files/?d="  # where Label Studio serves what lies below its own LOCAL_FILES_DOCUMENT_ROOT


def label_studio_json(records: Sequence[Record], _labels: Sequence[str]) -> bytes:
    """For a labelling configuration with Image `image`, Choices `choice` and RectangleLabels `label`. A picture that
    failed, or of which no class was named, is a task without a prediction."""
    return json_bytes([_task(number, record) for number, record in enumerate(records, 1)], indent=1)


def _task(place: int, record: Record) -> dict[str, Any]:
    data = {"image": SERVED + quote(record.path, errors="surrogateescape"), "path": record.path}
    answer = record.answer
    if answer is None or (answer.label is None and not answer.objects):
        return {"data": data}
    found = [_choice(answer.label)] if answer.label is not None else []
    found += [_rectangle(answer, box, verdict) for box, verdict in boxed(answer) if box and verdict.label]
    result = [{"id": f"{place}-{number}", **entry} for number, entry in enumerate(found, 1)]
    version = f"{answer.models.encoder} {answer.dataset or 'classes'} {answer.dataset_version[:12]}"
    return {"data": data, "predictions": [{"model_version": version, "score": answer.confidence, "result": result}]}


def _choice(label: str) -> dict[str, Any]:
    return {"type": "choices", "from_name": "choice", "to_name": "image", "value": {"choices": [label]}}


def _rectangle(answer: Answer, box: Box, verdict: Verdict) -> dict[str, Any]:
    """In percent of the picture's width and height."""
    width, height = answer.image.width, answer.image.height
    value = {
        "x": 100 * box.x0 / width,
        "y": 100 * box.y0 / height,
        "width": 100 * (box.x1 - box.x0) / width,
        "height": 100 * (box.y1 - box.y0) / height,
        "rotation": 0,
        "rectanglelabels": [verdict.label],
    }
    return {
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "score": verdict.confidence,
        "value": value,
    }
