"""Methods against parts, in the form of L2R2's Tables 1 and 5, before it is drawn."""

from dataclasses import dataclass

from service.evaluation.report.figures import Measure, Measured, Summary
from service.evaluation.report.words import percent, points
from service.evaluation.results import Kind


@dataclass(frozen=True)
class Cell:
    """A share in % and its difference from the full picture's in points, which the full picture's own cells lack.
    sign: of the difference as written, -1, 0 or 1. sure: its interval leaves 0 out."""

    share: str
    delta: str
    sign: int
    sure: bool
    best: bool


@dataclass(frozen=True)
class Row:
    method: str
    kind: Kind
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Comparison:
    """heads: the parts' names, and `mean` where there are several. counts: pictures, fallbacks: in % of them; both are
    empty for the mean."""

    heads: tuple[str, ...]
    counts: tuple[str, ...]
    fallbacks: tuple[str, ...]
    rows: tuple[Row, ...]


def comparison(summary: Summary, measure: Measure = "micro") -> Comparison:
    """The parts that have labelled pictures, and their mean."""
    parts = summary.measured_parts
    several = len(parts) > 1
    columns = [part.scores for part in parts] + ([summary.mean] if several else [])
    return Comparison(
        tuple(part.name for part in parts) + (("mean",) if several else ()),
        tuple(f"{part.n:,}" for part in parts) + (("",) if several else ()),
        tuple(percent(part.fallback) for part in parts) + (("",) if several else ()),
        tuple(
            Row(row[0].method, row[0].kind, tuple(_cell(score.of(measure), first=place == 0) for score in row))
            for place, row in enumerate(zip(*columns, strict=True))
        ),
    )


def _cell(found: Measured, *, first: bool) -> Cell:
    delta = points(found.delta, 2)
    sign = (float(delta) > 0) - (float(delta) < 0)
    sure = found.delta_low > 0 or found.delta_high < 0
    return Cell(percent(found.share, 2), "" if first else delta, sign, sure, found.best)
