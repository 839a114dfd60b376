"""What was done, picture by picture: one JSON object a line, so that a run that was killed goes on where it was."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from service.evaluation.cutout.measures import Measures
from service.evaluation.cutout.places import Task, stamp_of


@dataclass(frozen=True)
class Record:
    """What became of one picture.

    original, target: as in its Task. stamp: of the original when it was read. error: why there is no cut-out; also
    without one there is none where no object was found, and then no `measures`. box: `x0, y0, x1, y1` in pixels of the
    upright original. width, height: of the cut-out. mask_source: as in FoundObject.
    """

    original: str
    target: str
    stamp: str
    error: str | None = None
    box: tuple[float, float, float, float] | None = None
    width: int | None = None
    height: int | None = None
    mask_source: str | None = None
    measures: Measures | None = None

    @property
    def made(self) -> bool:
        return self.error is None and self.measures is not None


class Journal:
    """The records of an output folder; of two for the same cut-out the later one counts."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._path = path
        self.records: dict[str, Record] = {}
        content = path.read_bytes() if path.exists() else b""
        for line in content.split(b"\n"):
            record = _record(line)
            if record is not None:
                self.records[record.target] = record
        if content and not content.endswith(b"\n"):
            self._write(b"\n")  # ends a line that was cut short

    def finished(self, task: Task, out: Path) -> bool:
        """Whether nothing is left to do for the picture: it is as it was, and its cut-out is there. What failed is
        tried again."""
        record = self.records.get(task.target)
        if record is None or record.error is not None or record.original != task.original:
            return False
        there = not record.made or (out / task.target).is_file()
        return there and record.stamp == stamp_of(task.picture.path)

    def append(self, record: Record) -> None:
        """Raises OSError."""
        self._write(json.dumps(asdict(record)).encode() + b"\n")
        self.records[record.target] = record

    def _write(self, line: bytes) -> None:
        """In one call, so that no other line comes between."""
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, line)
        finally:
            os.close(file)


def _record(line: bytes) -> Record | None:
    try:
        return _from_document(json.loads(line))
    except (LookupError, TypeError, ValueError):  # cut short
        return None


def _from_document(document: Mapping[str, Any]) -> Record:
    box, measures = document["box"], document["measures"]
    return Record(
        **{
            **document,
            "box": None if box is None else tuple(box),
            "measures": None if measures is None else Measures(**measures),
        }
    )
