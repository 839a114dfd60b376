"""A whole collection, cut out."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from service.errors import SettingsError
from service.evaluation.cutout.folder import keep_options, owned
from service.evaluation.cutout.journal import Journal, Record
from service.evaluation.cutout.options import CROP, CutoutOptions
from service.evaluation.cutout.places import Task, plan
from service.evaluation.cutout.produce import produce
from service.evaluation.cutout.review import DEFAULT_THRESHOLDS, Reviewed, Thresholds, for_review, reasons_of
from service.evaluation.cutout.sheet import MOST_SHOWN, Shown, page, thumbnails
from service.evaluation.cutout.tables import manifest, review_list
from service.evaluation.cutout.workers import worker_pool
from service.evaluation.labelled import read_labelled
from service.evaluation.objects import ObjectFinder
from service.evaluation.whole_files import write_whole
from service.images import DEFAULT_LIMITS, ImageLimits

OPTIONS_FILE = "cutout.json"
JOURNAL_FILE = "cutout.jsonl"
MANIFEST_FILE = "manifest.csv"
REVIEW_FILE = "review.csv"
SHEET_FILE = "review.html"


@dataclass(frozen=True)
class Summary:
    """Pictures in all, cut-outs made now and before, pictures without one, and those that a person should look at.

    reasons: how often each applies. masked: whether any model saw a shape; if not, every cut-out is its whole box.
    """

    total: int
    made: int
    made_before: int
    without: int
    suspicious: int
    reasons: Mapping[str, int]
    masked: bool

    @property
    def share(self) -> float:
        """Of the pictures, for review."""
        return self.suspicious / self.total if self.total else 0.0


def _untold(_done: int, _total: int) -> None:
    pass


def run(
    data: Path,
    out: Path,
    options: CutoutOptions,
    finder: ObjectFinder,
    *,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    limits: ImageLimits = DEFAULT_LIMITS,
    workers: int = 0,
    advance: Callable[[int, int], None] = _untold,
) -> Summary:
    """Cut the object out of every picture of `data` (see `read_labelled`) and write it, the manifest and the review
    list below `out`; what an earlier run finished there is kept.

    Args:
        thresholds: for the review.
        limits: of the pictures; they are decoded in full size whatever `working_pixels` says.
        workers: processes that compose and encode; 0 for a thread of this one.
        advance: told how many pictures are done, and of how many.

    Raises:
        OutputRefused, FileUnreadable, WorkerEnded, SettingsError, InvalidFields.
    """
    _check(finder, options)
    tasks = plan(read_labelled(data), data, out, options.picture_format)
    full_size = replace(limits, working_pixels=limits.max_pixels)
    with owned(out, OPTIONS_FILE), worker_pool(workers) as pool:
        keep_options(out / OPTIONS_FILE, _about(data, options, finder))
        journal = Journal(out / JOURNAL_FILE)
        todo = [task for task in tasks if not journal.finished(task, out)]
        done = len(tasks) - len(todo)
        advance(done, len(tasks))
        for number, record in enumerate(produce(todo, options, out, finder, full_size, pool), done + 1):
            _keep(record, journal, out)
            advance(number, len(tasks))
        reviewed = _reviewed(tasks, journal, _complete(thresholds, finder), options)
        _write_reports(out, reviewed, limits, pool)
    return _summary(reviewed, {task.target for task in todo})


def _check(finder: ObjectFinder, options: CutoutOptions) -> None:
    if finder.localizer.name == "none":
        raise SettingsError("L2R2_LOCALIZER: cut-outs need one; the chosen one is `none`")
    finder.check_prompts(options.prompts)


def _complete(thresholds: Thresholds, finder: ObjectFinder) -> Thresholds:
    if thresholds.min_score is not None:
        return thresholds
    return replace(thresholds, min_score=finder.localizer.default_threshold)


def _about(data: Path, options: CutoutOptions, finder: ObjectFinder) -> dict[str, Any]:
    models = {"localizer": finder.localizer, "segmenter": finder.segmenter}
    return {
        "data": str(data.resolve()),
        **options.as_document(),
        **{kind: f"{model.name}@{model.revision}" if model else None for kind, model in models.items()},
    }


def _keep(record: Record, journal: Journal, out: Path) -> None:
    if not record.made:
        (out / record.target).unlink(missing_ok=True)  # made of what the original was before
    journal.append(record)


def _reviewed(
    tasks: Sequence[Task], journal: Journal, thresholds: Thresholds, options: CutoutOptions
) -> list[Reviewed]:
    records = [journal.records[task.target] for task in tasks]
    masked = any(record.mask_source not in (None, "box") for record in records)
    thresholds = replace(thresholds, expects_mask=masked and options.ground != CROP)
    return [Reviewed(task, record, reasons_of(record, thresholds)) for task, record in zip(tasks, records, strict=True)]


def _write_reports(out: Path, reviewed: Sequence[Reviewed], limits: ImageLimits, pool: Executor) -> None:
    suspicious = for_review(reviewed)
    shown = [
        Shown(entry.task.picture.path, out / entry.task.target if entry.record.made else None, entry.record.box, limits)
        for entry in suspicious[:MOST_SHOWN]
    ]
    write_whole(out / MANIFEST_FILE, manifest(reviewed))
    write_whole(out / REVIEW_FILE, review_list(suspicious))
    write_whole(out / SHEET_FILE, page(suspicious, list(pool.map(thumbnails, shown)), len(reviewed)).encode())


def _summary(reviewed: Sequence[Reviewed], now: set[str]) -> Summary:
    made = [entry for entry in reviewed if entry.record.made]
    made_now = sum(entry.record.target in now for entry in made)
    return Summary(
        total=len(reviewed),
        made=made_now,
        made_before=len(made) - made_now,
        without=len(reviewed) - len(made),
        suspicious=sum(bool(entry.reasons) for entry in reviewed),
        reasons=Counter(name for entry in reviewed for name in entry.reasons),
        masked=any(entry.record.mask_source != "box" for entry in made),
    )
