"""Small pictures for the page, and the choice of those worth a look."""

import base64
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from pathlib import Path

import numpy as np
from PIL import Image

from service.errors import ImageError
from service.evaluation.report.columns import Columns
from service.evaluation.report.figures import Summary
from service.evaluation.results import Evaluation
from service.images import decode

SIDE_PX = 160
JPEG_QUALITY = 78
WORST_CLASSES, PICTURES_PER_CLASS = 6, 4
DISAGREEMENTS = 36  # with those of the worst classes, 60 pictures


@dataclass(frozen=True)
class Said:
    """A method's answer to a picture."""

    method: str
    label: str
    confidence: float
    right: bool


@dataclass(frozen=True)
class Shown:
    """A picture as a data URI, or None where it cannot be read."""

    uri: str | None
    path: str
    part: str
    label: str
    said: tuple[Said, ...]


@dataclass(frozen=True)
class WorstClass:
    """taken_for: the commonest wrong answer and how often it was given."""

    label: str
    n: int
    right: int
    taken_for: tuple[str, int]
    pictures: tuple[Shown, ...]


def thumbnail(path: Path) -> str | None:
    """The picture as a JPEG of at most SIDE_PX by SIDE_PX in a data URI; None where it cannot be read."""
    try:
        picture = Image.fromarray(decode(path.read_bytes()).rgb)
    except (OSError, ImageError):
        return None
    picture.thumbnail((SIDE_PX, SIDE_PX))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def worst_classes(evaluation: Evaluation, table: Columns, summary: Summary) -> Iterator[WorstClass]:
    """The classes that the default method knows least, with the pictures on which it was most wrongly sure."""
    method = table.of(summary.default)
    ranked = sorted(summary.classes, key=lambda row: (row.shares[method], -row.n, row.label))
    for row in islice((row for row in ranked if row.shares[method] < 1), WORST_CLASSES):
        of_class = table.truth == table.names.index(row.label)
        wrong = np.flatnonzero(of_class & ~table.correct[:, method])
        shown = wrong[np.argsort(-table.confidence[wrong, method], kind="stable")][:PICTURES_PER_CLASS]
        [(answer, times)] = Counter(table.predicted[wrong, method].tolist()).most_common(1)
        yield WorstClass(
            row.label,
            row.n,
            row.n - len(wrong),
            (table.names[answer], times),
            tuple(_shown(evaluation, table, int(place), [summary.default]) for place in shown),
        )


def disagreements(evaluation: Evaluation, table: Columns, summary: Summary) -> dict[str, list[Shown]]:
    """Pictures on which the rival branch and the full picture differ, by outcome; of each outcome alike as far as there
    are, the surest first."""
    found = summary.disagreements
    if found is None:
        return {}
    both = [table.of(found.rival), table.of(summary.methods[0])]
    outcomes = {
        f"{found.rival} was right": found.rival_right,
        "The full picture was right": found.full_right,
        "Both were right": found.both_right,
        "Neither was right": found.neither_right,
    }
    ranked = [
        [(outcome, place) for place in sorted(places, key=lambda place: (-table.confidence[place, both].min(), place))]
        for outcome, places in outcomes.items()
    ]
    chosen = list(islice(filter(None, chain.from_iterable(zip_longest(*ranked))), DISAGREEMENTS))
    methods = list(dict.fromkeys((found.rival, summary.methods[0], summary.default)))
    return {
        outcome: [_shown(evaluation, table, place, methods) for of, place in chosen if of == outcome]
        for outcome in outcomes
    }


def _shown(evaluation: Evaluation, table: Columns, place: int, methods: Sequence[str]) -> Shown:
    picture = evaluation.pictures[place]
    said = tuple(
        Said(
            method,
            table.names[table.predicted[place, table.of(method)]],
            float(table.confidence[place, table.of(method)]),
            bool(table.correct[place, table.of(method)]),
        )
        for method in methods
    )
    return Shown(thumbnail(picture.path), picture.path.name, picture.part, picture.label, said)
