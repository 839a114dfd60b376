"""The pictures of one foreground, made in any process."""

from dataclasses import dataclass
from pathlib import Path

from service.evaluation.variants.files import SUFFIXES, digest_of, encoded, is_made_from, write
from service.evaluation.variants.kinds import VARIANTS, Variant
from service.evaluation.variants.subjects import Subject, scene_of


@dataclass(frozen=True)
class Output:
    """One picture to make: its kind, its background, its file from the output folder, what it is made from."""

    kind: str
    background: Subject | None
    target: str
    digest: str


@dataclass(frozen=True)
class Job:
    """All pictures of one foreground."""

    subject: Subject
    outputs: tuple[Output, ...]
    out: Path
    format: str


def output_of(
    variant: Variant, subject: Subject, background: Subject | None, number: int, picture_format: str
) -> Output:
    """number: of several backgrounds, from 1; 0 for a single picture."""
    end = f"-{number}" if number else ""
    made_from = [variant.name, picture_format, subject.file_digest]
    box = list(vars(subject.box).values()) if subject.box and variant.needs == "box" else None
    mask = subject.mask_digest if variant.needs == "mask" else None
    behind = [background.file_digest, list(vars(background.box).values())] if background and background.box else None
    target = f"{variant.name}/{subject.name}{end}{SUFFIXES[picture_format]}"
    return Output(variant.name, background, target, digest_of(made_from, box, mask, behind))


def compose(job: Job) -> int:
    """Make those that are not there yet; how many that was.

    Raises:
        FileUnreadable, OutputRefused: a file cannot be read or written.
    """
    outputs = [output for output in job.outputs if not is_made_from(job.out / output.target, output.digest)]
    if not outputs:
        return 0
    scene = scene_of(job.subject)
    for output in outputs:
        background = scene_of(output.background) if output.background else None
        pixels = VARIANTS[output.kind].make(scene, background)
        write(job.out / output.target, encoded(pixels, job.format, output.digest))
    return len(outputs)
