"""Answers as a data set of COCO's object detection (https://cocodataset.org/#format-data), to be imported elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.cli.outputs.rows import Record, json_bytes
from service.client import Answer, Box, Verdict


def coco_json(records: Sequence[Record], labels: Sequence[str]) -> bytes:
    """An annotation for each answered object; where the full picture alone answered, its box is the whole picture.
    Pictures that failed, or of which no class was named, have none. `score` is the confidence, as in COCO's results."""
    names = dict.fromkeys([*labels, *(verdict.label for _, _, verdict in _marked(records) if verdict.label)])
    numbers = {name: number for number, name in enumerate(names, 1)}
    pictures = [_picture(number, record) for number, record in enumerate(records, 1)]
    document = {
        "info": {"description": "made by l2r2", "version": "1.0"},
        "licenses": [],
        "images": [picture for picture in pictures if picture],
        "annotations": list(_annotations(records, numbers)),
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in numbers.items()],
    }
    return json_bytes(document, indent=1)


def _picture(number: int, record: Record) -> dict[str, Any]:
    if record.answer is None:
        return {}
    size = record.answer.image
    return {"id": number, "file_name": record.path, "width": size.width, "height": size.height}


def _annotations(records: Sequence[Record], numbers: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    marked = [entry for entry in _marked(records) if entry[2].label is not None]
    for number, (image, box, verdict) in enumerate(marked, 1):
        x0, y0, x1, y1 = box
        edges = [round(edge, 2) for edge in (x0, y0, x1 - x0, y1 - y0)]
        yield {
            "id": number,
            "image_id": image,
            "category_id": numbers[verdict.label or ""],
            "bbox": edges,
            "area": round(edges[2] * edges[3], 2),
            "segmentation": [],
            "iscrowd": 0,
            "score": verdict.confidence,
        }


def _marked(records: Sequence[Record]) -> Iterator[tuple[int, tuple[float, float, float, float], Verdict]]:
    """The picture's number, the box's edges and what is in it."""
    for number, record in enumerate(records, 1):
        if record.answer is not None:
            for box, verdict in boxed(record.answer):
                size = record.answer.image
                edges = (0, 0, size.width, size.height) if box is None else (box.x0, box.y0, box.x1, box.y1)
                yield number, edges, verdict


def boxed(answer: Answer) -> list[tuple[Box | None, Verdict]]:
    """The objects with their boxes, if several were asked for; else the answer with the box that it rests on."""
    if answer.objects:
        return [(entry.box, entry) for entry in answer.objects]
    return [(None if answer.fallback else answer.box, answer)]
