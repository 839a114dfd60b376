"""Which pictures can be made into variants: those whose object is known or found."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.errors import FileUnreadable, ModelFailed
from service.evaluation.variants.journal import Journal
from service.evaluation.variants.kinds import Variant, need_of
from service.evaluation.variants.looking import MaskOf, look
from service.evaluation.variants.names import Named
from service.evaluation.variants.spread import Spread
from service.evaluation.variants.subjects import Finding, Subject, Task, subject_of, task_of
from service.evaluation.variants.tables import Skipped

MaskOfLabel = Callable[[str], MaskOf]
MOST_OF_PICTURE = 0.9  # a larger box leaves nearly no background (left out by Xiao et al. 2020 too)


@dataclass(frozen=True)
class Finder:
    """What finds objects that the table tells too little of. name: another one finds them anew."""

    mask_of_label: MaskOfLabel
    name: str


Settled = tuple[Named, Task, Finding]


def survey(
    listed: Sequence[Named], variants: Sequence[Variant], out: Path, finder: Finder | None, spread: Spread
) -> Iterator[Subject | Skipped]:
    """For each picture, in no order, what is known of it, or why it is left out. Files are read by `spread`, models
    are asked in this process, and nothing that an earlier run knows is done again.

    A picture that lacks what one of the variants needs is left out of all of them, so that all show the same objects.

    Raises:
        OutputRefused: the output folder cannot be written.
    """
    need, hides = need_of(variants), any(variant.needs_background for variant in variants)
    tasks: list[tuple[Named, Task]] = []
    for row in listed:
        try:
            tasks.append((row, task_of(row, need, finder.name if finder else None, out)))
        except FileUnreadable as error:
            yield Skipped(row.picture.path, error.detail)
    for row, task, finding in _findings(tasks, Journal(out), finder, spread):
        problem = finding.problem or (_crowded(finding) if hides else "")
        yield Skipped(row.picture.path, problem) if problem else subject_of(row, task, finding)


def _findings(
    tasks: Sequence[tuple[Named, Task]], journal: Journal, finder: Finder | None, spread: Spread
) -> Iterator[Settled]:
    told: list[tuple[Named, Task]] = []
    searched: list[tuple[Named, Task]] = []
    for row, task in tasks:
        earlier = journal.get(task)
        if earlier is not None:
            yield row, task, earlier
        else:
            (searched if task.searches else told).append((row, task))
    for (row, task), finding in zip(told, spread(look, [task for _, task in told]), strict=True):
        journal.add(task, finding)
        yield row, task, finding
    for row, task in searched:
        if finder is None:
            yield row, task, look(task)
            continue
        try:
            finding = look(task, finder.mask_of_label(row.picture.label))
        except ModelFailed as error:  # it may do better the next time
            yield row, task, Finding(problem=error.detail)
            continue
        journal.add(task, finding)
        yield row, task, finding


def _crowded(finding: Finding) -> str:
    assert finding.box is not None
    if finding.box.area <= MOST_OF_PICTURE * finding.width * finding.height:
        return ""
    return f"its box covers more than {MOST_OF_PICTURE:.0%} of the picture and leaves no background"
