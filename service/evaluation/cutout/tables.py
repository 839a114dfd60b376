"""The manifest, which `read_labelled` reads, and the list for review."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from service.evaluation.cutout.places import printable
from service.evaluation.cutout.review import Reviewed

# The box has names of its own: x0 to y1 would be read as a box in the picture at `path`.
BOX_COLUMNS = ("source_x0", "source_y0", "source_x1", "source_y1")
CARRIED = ("path", "label", "part", "accept", "source", "metadata")
FIGURES = ("score", "mask_area", "mask_source", "width", "height")
MANIFEST_COLUMNS = (*CARRIED, "original", *BOX_COLUMNS, *FIGURES, "flags")
REVIEW_COLUMNS = ("original", "path", "label", "part", "flags", "suspicion", *BOX_COLUMNS, *FIGURES, "error")


def manifest(reviewed: Iterable[Reviewed]) -> bytes:
    """A row for each cut-out: `path` from the manifest's folder, what the collection says of the picture, the
    original's name and the box in its pixels, and the flags, split by `|`."""
    return _csv(MANIFEST_COLUMNS, [_row(entry) for entry in reviewed if entry.record.made])


def review_list(suspicious: Sequence[Reviewed]) -> bytes:
    """A row for each picture that a person should look at, in the order given."""
    return _csv(REVIEW_COLUMNS, [_row(entry) for entry in suspicious])


def _row(entry: Reviewed) -> dict[str, Any]:
    picture, record, measures = entry.task.picture, entry.record, entry.record.measures
    row: dict[str, Any] = {
        "path": record.target if record.made else "",
        "label": picture.label,
        "part": picture.part,
        "accept": "|".join(sorted(picture.accepted - {picture.label})),
        "source": picture.source,
        "metadata": json.dumps(dict(picture.metadata), ensure_ascii=False) if picture.metadata else "",
        "original": entry.task.original,
        "mask_source": record.mask_source,
        "width": record.width,
        "height": record.height,
        "flags": "|".join(entry.reasons),
        "suspicion": entry.suspicion,
        "error": record.error,
    }
    if record.box is not None:
        row |= {name: f"{edge:.2f}" for name, edge in zip(BOX_COLUMNS, record.box, strict=True)}
    if measures is not None:
        row |= {"score": f"{measures.score:.4f}", "mask_area": f"{measures.area:.4f}"}
    return row


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return printable(text.getvalue()).encode()
