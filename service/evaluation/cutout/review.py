"""Which cut-outs a person should look at ("What Happens Without Background?", section 2.2): likely errors by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType

from service.errors import FieldProblem, InvalidFields
from service.evaluation.cutout.journal import Record
from service.evaluation.cutout.measures import Measures
from service.evaluation.cutout.places import Task


@dataclass(frozen=True)
class Thresholds:
    """From where on a cut-out is suspicious; the units are those of `Measures`. Raises InvalidFields outside [0, 1].

    min_score: None for the localizer's own threshold. expects_mask: whether a box for want of a mask is one of them.
    """

    min_score: float | None = None
    min_area: float = 0.01
    max_area: float = 0.9
    min_fill: float = 0.2
    max_fill: float = 0.98
    max_second_piece: float = 0.2
    max_border: float = 0.02
    max_rival: float = 0.75
    expects_mask: bool = True

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise InvalidFields(FieldProblem(field.name, f"must lie in [0, 1], not {value}"))


DEFAULT_THRESHOLDS = Thresholds()
Applies = Callable[[Measures, Thresholds], bool]


@dataclass(frozen=True)
class Reason:
    """A likely error. weight: how much it counts when the list is sorted. applies: None where no measure tells it."""

    name: str
    weight: int
    summary: str
    applies: Applies | None = None


def _between(low: float, value: float | None, high: float) -> bool:
    return value is None or low <= value <= high


_ROWS = (
    Reason("failed", 9, "could not be read, looked at or saved"),
    Reason("no_object", 8, "no object was found"),
    Reason("several_objects", 4, "another object is nearly as certain",
           lambda seen, limit: seen.rival > limit.max_rival),
    Reason("low_score", 3, "the box is uncertain", lambda seen, limit: seen.score < (limit.min_score or 0.0)),
    Reason("tiny", 3, "the object is tiny", lambda seen, limit: seen.area < limit.min_area),
    Reason("covers_everything", 3, "nearly all of the picture is object",
           lambda seen, limit: seen.area > limit.max_area),
    Reason("no_mask", 3, "no model saw a shape in the box",
           lambda seen, limit: seen.fill is None and limit.expects_mask),
    Reason("several_pieces", 2, "the mask has several large pieces",
           lambda seen, limit: seen.second_piece > limit.max_second_piece),
    Reason("fills_box_poorly", 2, "most of the box is background",
           lambda seen, limit: not _between(limit.min_fill, seen.fill, 1.0)),
    Reason("fills_box_entirely", 2, "the mask is the box",
           lambda seen, limit: not _between(0.0, seen.fill, limit.max_fill)),
    Reason("touches_border", 1, "the object goes beyond the picture",
           lambda seen, limit: seen.border > limit.max_border),
)  # fmt: skip
REASONS: Mapping[str, Reason] = MappingProxyType({row.name: row for row in _ROWS})


@dataclass(frozen=True)
class Reviewed:
    """A picture, what became of it, and why a person should look at it."""

    task: Task
    record: Record
    reasons: tuple[str, ...]

    @property
    def suspicion(self) -> int:
        return sum(REASONS[name].weight for name in self.reasons)


def reasons_of(record: Record, thresholds: Thresholds) -> tuple[str, ...]:
    """Names of `REASONS`, the heaviest first."""
    if record.error is not None:
        return ("failed",)
    if record.measures is None:
        return ("no_object",)
    return tuple(
        row.name for row in REASONS.values() if row.applies is not None and row.applies(record.measures, thresholds)
    )


def for_review(reviewed: Sequence[Reviewed]) -> list[Reviewed]:
    """Those with a reason, most suspicious first; of equals the least certain first."""

    def rank(entry: Reviewed) -> tuple[int, float, str]:
        measures = entry.record.measures
        return -entry.suspicion, measures.score if measures else 0.0, entry.task.original

    return sorted((entry for entry in reviewed if entry.reasons), key=rank)
