"""Labelled pictures: a table (CSV or parquet) or a folder tree."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.datasets.spec import clean_name
from service.errors import FileUnreadable, PackageMissing
from service.recognition.boxes import Box

SUFFIXES = frozenset({".avif", ".bmp", ".gif", ".heic", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
NEEDED_COLUMNS = ("path", "label")


@dataclass(frozen=True)
class Labelled:
    """A picture with its label.

    part: of the collection, measured by itself. accepted: all labels that count as right. source: names the object, for
    pictures that show the same one on several backgrounds. box: the true one in pixels of the upright picture, mask:
    a picture that is not black inside the object, where they are known. An empty label means none of the classes.
    """

    path: Path
    label: str
    part: str = "all"
    accepted: frozenset[str] = frozenset()
    source: str = ""
    box: Box | None = None
    mask: Path | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "accepted", self.accepted | ({self.label} if self.label else set()))


def read_labelled(data: Path) -> list[Labelled]:
    """The pictures of a CSV or parquet table, or of a folder tree, in their order.

    A table has the columns `path` (from the table's folder) and `label`, and, if wanted, `part`, `accept` (other right
    answers, split by `|` or `;`), `source`, `x0, y0, x1, y1`, `mask` and `metadata` (a JSON object). In a folder tree
    a picture's folder is its label, and the folders above that its part.

    Raises:
        FileUnreadable, PackageMissing: nothing to read, a column is missing, or a value cannot be meant.
    """
    if data.is_dir():
        pictures = list(_walk(data))
        if not pictures:
            raise FileUnreadable(f"{data} holds no pictures in folders named by their label")
        return pictures
    rows = _parquet_rows(data) if data.suffix.lower() == ".parquet" else _csv_rows(data)
    missing = [name for name in NEEDED_COLUMNS if not rows or name not in rows[0]]
    if missing:
        raise FileUnreadable(f"{data} has no rows or no column {', '.join(missing)}")
    return [_labelled(data, number, row) for number, row in enumerate(rows, 1)]


def _walk(folder: Path) -> Iterator[Labelled]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file() and path.parent != folder:
            above = path.parent.relative_to(folder).parts[:-1]
            yield Labelled(path, clean_name(path.parent.name), "/".join(above) or "all")


def _csv_rows(table: Path) -> list[dict[str, Any]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise FileUnreadable(f"{table} cannot be read: {error}") from None


def _parquet_rows(table: Path) -> list[dict[str, Any]]:
    try:
        from pyarrow import ArrowException, parquet
    except ModuleNotFoundError:
        raise PackageMissing("parquet tables are read by pyarrow: pip install '.[evaluate]'") from None
    try:
        rows: list[dict[str, Any]] = parquet.read_table(table).to_pylist()
    except (OSError, ArrowException) as error:
        raise FileUnreadable(f"{table} cannot be read: {error}") from None
    return rows


def _labelled(table: Path, number: int, row: Mapping[str, Any]) -> Labelled:
    folder, label = table.parent, row["label"]
    try:
        if not row["path"]:
            raise ValueError("there is no path")
        edges = [row.get(name) for name in ("x0", "y0", "x1", "y1")]
        known = all(edge not in (None, "") for edge in edges)
        return Labelled(
            folder / str(row["path"]),
            "" if label is None else clean_name(str(label)),
            str(row.get("part") or "all"),
            frozenset(clean_name(name) for name in re.split(r"[|;]", str(row.get("accept") or ""))) - {""},
            str(row.get("source") or ""),
            Box(*(float(str(edge)) for edge in edges)) if known else None,
            folder / str(row["mask"]) if row.get("mask") else None,
            _metadata(row.get("metadata") or {}),
        )
    except ValueError as error:
        raise FileUnreadable(f"{table}, row {number}: {error}") from None


def _metadata(given: Any) -> dict[str, str]:
    """From a JSON object, or a parquet struct or map, as POST /classify reads them; nulls are facts not known."""
    try:
        found = dict(json.loads(given) if isinstance(given, str) else given)
    except (ValueError, TypeError):
        raise ValueError("metadata must be a JSON object") from None
    if any(isinstance(value, dict | list) for value in found.values()):
        raise ValueError("metadata must hold plain facts")
    facts = {str(name): value for name, value in found.items() if value is not None}
    return {name: json.dumps(value) if isinstance(value, bool) else str(value) for name, value in facts.items()}
