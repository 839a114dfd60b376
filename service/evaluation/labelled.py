"""Accuracy on a folder of labelled pictures, for each of its parts and each branch."""

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.datasets.prototypes import unsaved_dataset
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import BadRequest
from service.recognition.answers import Recognition
from service.recognizer import Options, Recognizer

NEEDED_COLUMNS = ("path", "label")


@dataclass(frozen=True)
class Labelled:
    """A picture, the collection whose labels are its classes, its part of it, and the labels that count as right."""

    path: Path
    collection: str
    part: str
    label: str
    accepted: frozenset[str]


@dataclass(frozen=True)
class Accuracy:
    """Shares in [0, 1] over the pictures of one part; where there was no box the full view stands in for `fg`."""

    pictures: int
    classes: int
    full: float
    fg: float
    fused: float
    fallback: float


def read_labelled(table: Path) -> list[Labelled]:
    """Rows of a CSV with the columns `path` (from the table's folder; its first folder is the collection) and `label`,
    and, if wanted, `part` and `accept` (other right answers, split by `|` or `;`).

    Raises:
        BadRequest: a column is missing, or there are no rows.
    """
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    missing = [name for name in NEEDED_COLUMNS if not rows or name not in rows[0]]
    if missing:
        raise BadRequest(f"{table} has no rows or no column {', '.join(missing)}")
    return [
        Labelled(
            table.parent / row["path"],
            row["path"].rpartition("/")[0].partition("/")[0],
            row.get("part") or "all",
            row["label"],
            frozenset([row["label"], *re.split(r"[|;]", row.get("accept") or "")]) - {""},
        )
        for row in rows
    ]


async def measure(
    recognizer: Recognizer, pictures: Sequence[Labelled], advance: Callable[[], None] = lambda: None
) -> dict[str, Accuracy]:
    """Every picture against all labels of its collection."""
    answers: defaultdict[str, list[tuple[Labelled, Recognition]]] = defaultdict(list)
    classes = {}
    for collection in dict.fromkeys(picture.collection for picture in pictures):
        members = [picture for picture in pictures if picture.collection == collection]
        labels = sorted({picture.label for picture in members})
        spec = DatasetSpec(tuple(ClassEntry(label) for label in labels))
        dataset = unsaved_dataset(spec, recognizer.encoder.embed_texts)
        for picture in members:
            answer = await recognizer.recognize(picture.path.read_bytes(), dataset, Options(top_k=1))
            answers[picture.part].append((picture, answer))
            classes[picture.part] = len(labels)
            advance()
    return {part: _accuracy(pairs, classes[part]) for part, pairs in answers.items()}


def markdown(measured: Mapping[str, Accuracy]) -> str:
    """The figures as a Markdown table."""
    lines = ["| part | pictures | classes | full | fg | fused | fallback |", "|---|---|---|---|---|---|---|"]
    for part, row in measured.items():
        shares = " | ".join(f"{share:.3f}" for share in (row.full, row.fg, row.fused, row.fallback))
        lines.append(f"| {part} | {row.pictures} | {row.classes} | {shares} |")
    return "\n".join(lines)


def _accuracy(pairs: Sequence[tuple[Labelled, Recognition]], classes: int) -> Accuracy:
    def share(right: Iterable[bool]) -> float:
        return sum(right) / len(pairs)

    return Accuracy(
        pictures=len(pairs),
        classes=classes,
        full=share(_label(answer, "full") in picture.accepted for picture, answer in pairs),
        fg=share(_label(answer, "fg") in picture.accepted for picture, answer in pairs),
        fused=share(answer.label in picture.accepted for picture, answer in pairs),
        fallback=share(answer.fallback is not None for _, answer in pairs),
    )


def _label(answer: Recognition, view: str) -> str:
    branch = answer.branches[view] or answer.branches["full"]
    return answer.label if branch is None else branch.label
