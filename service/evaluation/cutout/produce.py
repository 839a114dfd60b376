"""From pictures to records: decoding ahead in a thread, models in this one, cut-outs in other processes."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from service.errors import ImageError
from service.evaluation.cutout.journal import Record
from service.evaluation.cutout.measures import rival_of
from service.evaluation.cutout.options import CutoutOptions
from service.evaluation.cutout.places import Task, stamp_of
from service.evaluation.cutout.work import Job, make
from service.evaluation.objects import FoundObject, ObjectFinder
from service.images import ImageLimits, Picture, decode
from service.recognition.views import Pixels, box_mask

DECODED_AHEAD = 4
MOST_BATCH = 8
MOST_BATCH_PIXELS = 32_000_000
MOST_WAITING = 8  # cut-outs that may wait for a worker, each with its picture
# What models raise on pictures they cannot take, and where memory does not suffice for a batch
MODEL_FAILURES = (ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class Read:
    """A picture as it was read, or why it could not be."""

    task: Task
    stamp: str
    picture: Picture | None
    error: str | None = None


def produce(
    tasks: Iterable[Task], options: CutoutOptions, out: Path, finder: ObjectFinder, limits: ImageLimits, pool: Executor
) -> Iterator[Record]:
    """A record for each task, as they are done; their cut-outs are made in `pool`.

    Raises:
        OSError: a cut-out cannot be written.
    """
    waiting: deque[Future[Record]] = deque()
    for batch in _batches(_decoded(tasks, limits)):
        for read, found in _found(batch, finder, options.prompts):
            if not isinstance(found, FoundObject):
                yield Record(read.task.original, read.task.target, read.stamp, found)
            elif read.picture is not None:
                waiting.append(pool.submit(make, _job(read, read.picture, found, options, out)))
        while len(waiting) > MOST_WAITING or (waiting and waiting[0].done()):
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _job(read: Read, picture: Picture, found: FoundObject, options: CutoutOptions, out: Path) -> Job:
    return Job(
        original=read.task.original,
        target=read.task.target,
        stamp=read.stamp,
        rgb=picture.rgb,
        scale=picture.scale,
        box=found.box,
        mask=box_mask(picture.rgb, found.box) if found.mask is None else found.mask,
        seen_by=found.mask_source,
        score=found.score,
        rival=rival_of(found.detections),
        options=options,
        out=out,
    )


def _decoded(tasks: Iterable[Task], limits: ImageLimits) -> Iterator[Read]:
    with ThreadPoolExecutor(1, thread_name_prefix="decode") as thread:
        ahead: deque[Future[Read]] = deque()
        for task in tasks:
            ahead.append(thread.submit(read, task, limits))
            if len(ahead) > DECODED_AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def read(task: Task, limits: ImageLimits) -> Read:
    """The picture of a task; never an error, but the reason."""
    stamp = stamp_of(task.picture.path)
    try:
        with task.picture.path.open("rb") as file:
            return Read(task, stamp, decode(file.read(limits.max_bytes + 1), limits))
    except (OSError, ImageError) as error:
        return Read(task, stamp, None, str(error))


def _batches(pictures: Iterable[Read]) -> Iterator[list[Read]]:
    batch: list[Read] = []
    pixels = 0
    for entry in pictures:
        size = 0 if entry.picture is None else entry.picture.rgb[..., 0].size
        if batch and (len(batch) == MOST_BATCH or pixels + size > MOST_BATCH_PIXELS):
            yield batch
            batch, pixels = [], 0
        batch.append(entry)
        pixels += size
    if batch:
        yield batch


def _found(
    batch: Sequence[Read], finder: ObjectFinder, prompts: tuple[str, ...]
) -> Iterator[tuple[Read, FoundObject | str | None]]:
    """Each picture with its object, None where there is none, or why it could not be looked at."""
    pictures = [entry.picture.rgb for entry in batch if entry.picture is not None]
    objects: Iterator[FoundObject | str | None]
    try:
        objects = iter(finder.find_many(pictures, prompts) if pictures else [])
    except MODEL_FAILURES:
        objects = (_found_alone(rgb, finder, prompts) for rgb in pictures)
    for entry in batch:
        yield entry, entry.error if entry.picture is None else next(objects)


def _found_alone(rgb: Pixels, finder: ObjectFinder, prompts: tuple[str, ...]) -> FoundObject | str | None:
    try:
        return finder.find(rgb, prompts)
    except MODEL_FAILURES as error:
        return f"the models failed: {type(error).__name__}: {error}"
