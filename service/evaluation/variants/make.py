"""Labelled pictures become the data sets of Xiao et al. 2020 (arXiv 2006.09994)."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.errors import FieldProblem, FileUnreadable, InvalidFields, OutputRefused
from service.evaluation.labelled import Labelled
from service.evaluation.variants.compose import Job, compose
from service.evaluation.variants.files import check_format, prepare
from service.evaluation.variants.kinds import DEFAULT_KINDS, Variant, check_kinds
from service.evaluation.variants.looking import MaskOf
from service.evaluation.variants.names import Named, named
from service.evaluation.variants.plan import Plan, plan
from service.evaluation.variants.spread import Spread, spread_over
from service.evaluation.variants.subjects import Subject
from service.evaluation.variants.survey import Finder, survey
from service.evaluation.variants.tables import VARIANTS_TABLE, Skipped, write_made, write_skipped

Advance = Callable[[str, int, int], None]


@dataclass(frozen=True)
class VariantsSummary:
    """What there is now: pictures by kind, of which `made` are new; and pictures left out, of all kinds or of one."""

    table: Path
    pictures: Mapping[str, int]
    made: int
    skipped: tuple[Skipped, ...]


def make_variants(
    pictures: Sequence[Labelled],
    out: Path,
    kinds: Iterable[str] = DEFAULT_KINDS,
    seed: int = 0,
    mask_of: MaskOf | None = None,
    *,
    finder: Finder | None = None,
    adversarial: int = 0,
    picture_format: str = "png",
    workers: int = 1,
    advance: Advance = lambda _stage, _done, _total: None,
) -> VariantsSummary:
    """Make `out/<kind>/<label>/<stem>.png` of all pictures, `out/variants.csv` that lists them, and `out/skipped.csv`.

    The same for a seed whatever the order and the workers; what an interrupted run has made is not made again.
    mask_of: finds the object (its box and its mask `[H, W]`) in `rgb [H, W, 3]`, in the given box if there is one.
    finder: the same, where it can be told the label; used instead. adversarial: backgrounds for each foreground.
    advance: is told the stage, the pictures done and how many there are.

    Raises:
        InvalidFields: an unknown kind or format, or a number out of its range.
        FileUnreadable, OutputRefused: too few pictures or classes are left, or a file cannot be read or written.
        ServiceError: a worker died.
    """
    variants = check_kinds(kinds, adversarial)
    listed, unnamed = named(pictures)
    check_format(picture_format)
    _check(listed, variants, out, workers)
    finder = finder or (Finder(lambda _label: mask_of, "") if mask_of else None)
    with spread_over(workers) as spread:
        run = _Run(out, spread, advance)
        subjects, skipped = run.survey(listed, variants, finder, unnamed)
        planned = plan({row.name: row for row in listed}, subjects, variants, seed, adversarial, picture_format)
        made = run.compose(planned, picture_format)
    left_out = sorted(skipped + planned.skipped)
    write_skipped(out, left_out)
    table = write_made(out, planned.made)
    return VariantsSummary(table, Counter(row.part for row in planned.made), made, tuple(left_out))


@dataclass(frozen=True)
class _Run:
    out: Path
    spread: Spread
    advance: Advance

    def survey(
        self, listed: Sequence[Named], variants: Sequence[Variant], finder: Finder | None, unnamed: Sequence[Skipped]
    ) -> tuple[list[Subject], list[Skipped]]:
        prepare(self.out, VARIANTS_TABLE)  # which is there when all it lists is
        subjects: list[Subject] = []
        skipped = list(unnamed)
        for done, one in enumerate(survey(listed, variants, self.out, finder, self.spread), 1):
            if isinstance(one, Skipped):
                skipped.append(one)
            else:
                subjects.append(one)
            self.advance("objects", done, len(listed))
        write_skipped(self.out, skipped)
        if not subjects:
            reason, _ = Counter(one.reason for one in skipped).most_common(1)[0]
            raise FileUnreadable(f"none of {len(skipped)} pictures can be used; mostly: {reason}")
        _check_classes({subject.label for subject in subjects}, variants)
        return subjects, skipped

    def compose(self, planned: Plan, picture_format: str) -> int:
        jobs = [Job(subject, tuple(outputs), self.out, picture_format) for subject, outputs in planned.outputs.items()]
        made = 0
        for done, count in enumerate(self.spread(compose, jobs), 1):
            made += count
            self.advance("variants", done, len(jobs))
        return made


def _check(listed: Sequence[Named], variants: Sequence[Variant], out: Path, workers: int) -> None:
    if workers < 1:
        raise InvalidFields(FieldProblem("workers", f"{workers} is not at least 1"))
    inside = [row.picture.path for row in listed if row.picture.path.absolute().is_relative_to(out.absolute())]
    if inside:
        raise OutputRefused(f"{inside[0]} lies in the output folder {out}, where pictures are made, not taken")
    if not listed:
        raise FileUnreadable("there are no pictures with a label")
    _check_classes({row.picture.label for row in listed}, variants)


def _check_classes(labels: set[str], variants: Sequence[Variant]) -> None:
    mixing = [variant.name for variant in variants if variant.ground not in (None, "same")]
    if mixing and len(labels) < 2:
        there = ", ".join(sorted(labels))
        raise FileUnreadable(f"{', '.join(mixing)}: at least 2 classes are needed, there is {there}")
