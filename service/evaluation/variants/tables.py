"""The two tables beside the pictures: what was made, as `read_labelled` reads it, and what was left out."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.evaluation.labelled import Labelled
from service.evaluation.variants.files import write
from service.recognition.boxes import Box

VARIANTS_TABLE, SKIPPED_TABLE = "variants.csv", "skipped.csv"
COLUMNS = ("path", "part", "label", "accept", "source", "background", "x0", "y0", "x1", "y1", "mask", "metadata")


@dataclass(frozen=True, order=True)
class Skipped:
    """A picture that was left out, of everything or of one kind, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Made:
    """A picture that was made. path, mask: from the table's folder. background: names the picture it comes from."""

    path: str
    part: str
    foreground: Labelled
    source: str
    background: str
    box: Box | None
    mask: str

    @property
    def cells(self) -> tuple[Any, ...]:
        picture = self.foreground
        accept = "|".join(sorted(picture.accepted - {picture.label}))
        edges = vars(self.box).values() if self.box else ("", "", "", "")
        metadata = json.dumps(dict(picture.metadata), ensure_ascii=False, sort_keys=True) if picture.metadata else ""
        return self.path, self.part, picture.label, accept, self.source, self.background, *edges, self.mask, metadata


def write_made(folder: Path, made: Iterable[Made]) -> Path:
    """Raises: OutputRefused."""
    return _write(folder / VARIANTS_TABLE, COLUMNS, (row.cells for row in made))


def write_skipped(folder: Path, skipped: Iterable[Skipped]) -> Path:
    """Raises: OutputRefused."""
    return _write(folder / SKIPPED_TABLE, ("path", "reason"), ((row.path, row.reason) for row in sorted(skipped)))


def _write(path: Path, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> Path:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    write(path, text.getvalue().encode())
    return path
