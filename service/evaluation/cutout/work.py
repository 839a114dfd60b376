"""What the worker processes do: compose, encode, measure, write. No model is loaded here."""

from dataclasses import dataclass
from pathlib import Path

from service.evaluation.cutout.compose import cut_out, encoded
from service.evaluation.cutout.journal import Record
from service.evaluation.cutout.measures import Measures, border_of, fill_of, second_piece_of
from service.evaluation.cutout.options import CutoutOptions
from service.evaluation.whole_files import write_whole
from service.recognition.boxes import Box
from service.recognition.views import Mask, Pixels


@dataclass(frozen=True, eq=False)
class Job:
    """One cut-out to be made: `rgb [H, W, 3]`, the box in its pixels and its `mask [H, W]`.

    scale: pixels of the upright original per pixel of `rgb`, (x, y). seen_by: who saw the mask.
    """

    original: str
    target: str
    stamp: str
    rgb: Pixels
    scale: tuple[float, float]
    box: Box
    mask: Mask
    seen_by: str
    score: float
    rival: float
    options: CutoutOptions
    out: Path


def make(job: Job) -> Record:
    """Write the cut-out.

    Raises:
        OSError: the file cannot be written.
    """
    pixels = cut_out(job.rgb, job.box, job.mask, job.options)
    height, width = pixels.shape[:2]
    try:
        content = encoded(pixels, job.options.picture_format)
    except (OSError, ValueError) as error:
        reason = f"{width} x {height} pixels cannot be saved as {job.options.picture_format}: {error}"
        return Record(job.original, job.target, job.stamp, reason)
    write_whole(job.out / job.target, content)
    original = job.box.scaled(*job.scale)
    return Record(
        original=job.original,
        target=job.target,
        stamp=job.stamp,
        box=(original.x0, original.y0, original.x1, original.y1),
        width=width,
        height=height,
        mask_source=job.seen_by,
        measures=_measured(job),
    )


def _measured(job: Job) -> Measures:
    return Measures(
        score=job.score,
        area=float(job.mask.mean()),
        fill=None if job.seen_by == "box" else fill_of(job.mask, job.box),
        second_piece=second_piece_of(job.mask),
        border=border_of(job.mask),
        rival=job.rival,
    )
