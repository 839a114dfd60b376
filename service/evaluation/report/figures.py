"""The figures of an evaluation: of each method, on each part, on all parts together, and over the parts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from service.evaluation.results import Kind

Measure = Literal["micro", "macro"]
MEASURES: Mapping[Measure, str] = {
    "micro": "accuracy: the share of pictures answered right",
    "macro": "macro accuracy: the mean of the classes' shares of pictures answered right",
}


@dataclass(frozen=True)
class Measured:
    """A share in [0, 1] with its 95 % interval, how far it is above the full picture's with that interval, and whether
    no other method but an oracle has a higher one."""

    share: float
    low: float
    high: float
    delta: float
    delta_low: float
    delta_high: float
    best: bool


@dataclass(frozen=True)
class Score:
    """One method on some pictures; ece is its expected calibration error."""

    method: str
    kind: Kind
    micro: Measured
    macro: Measured
    ece: float

    def of(self, measure: Measure) -> Measured:
        return self.micro if measure == "micro" else self.macro


@dataclass(frozen=True)
class PartSummary:
    """n: pictures with a label, none: pictures of none of the classes, which the scores leave out (there are no scores
    where n is 0). fallback: the share of all pictures where only the full one was there, reasons: how many for which.
    """

    name: str
    n: int
    none: int
    classes: int
    fallback: float
    reasons: Mapping[str, int]
    scores: tuple[Score, ...]


@dataclass(frozen=True)
class Background:
    """gap: accuracy on backgrounds of the right class less that on random ones, with its 95 % interval. adversarial:
    the share of objects answered wrong on at least one of several backgrounds. None where not measured."""

    method: str
    gap: float | None
    gap_low: float | None
    gap_high: float | None
    adversarial: float | None


@dataclass(frozen=True)
class Selective:
    """A method that answers only at or above the confidence that keeps most of its right answers: the share of its
    right answers kept, of labelled pictures answered, of those the share right (None where nothing is answered), and of
    the pictures answered that show none of the classes (None where there are none) and of every part."""

    method: str
    threshold: float
    right_kept: float
    answered: float
    accuracy: float | None
    none_answered: float | None
    answered_by_part: Mapping[str, float]


@dataclass(frozen=True)
class Disagreements:
    """Places of the labelled pictures that the rival branch answers unlike the full picture, by who was right."""

    rival: str
    rival_right: tuple[int, ...]
    full_right: tuple[int, ...]
    both_right: tuple[int, ...]
    neither_right: tuple[int, ...]

    @property
    def count(self) -> int:
        return len(self.rival_right) + len(self.full_right) + len(self.both_right) + len(self.neither_right)


@dataclass(frozen=True)
class ClassRow:
    """A class, its pictures, and each method's share of them answered right, in the methods' order."""

    label: str
    n: int
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Confusion:
    """How many pictures of a class the default method wrongly gave another label."""

    label: str
    predicted: str
    count: int


@dataclass(frozen=True)
class Summary:
    """mean: over the parts that have labelled pictures, each counting alike. default: the dataset's fusion, or the full
    picture where that fusion was not measured. classes, confusions, disagreements and selective: of all parts."""

    about: Mapping[str, str]
    methods: tuple[str, ...]
    default: str
    resamples: int
    seed: int
    keep_right: float
    together: PartSummary
    parts: tuple[PartSummary, ...]
    mean: tuple[Score, ...]
    backgrounds: tuple[Background, ...]
    selective: tuple[Selective, ...]
    disagreements: Disagreements | None
    classes: tuple[ClassRow, ...]
    confusions: tuple[Confusion, ...]

    @property
    def measured_parts(self) -> tuple[PartSummary, ...]:
        """The parts that have labelled pictures."""
        return tuple(part for part in self.parts if part.n)
