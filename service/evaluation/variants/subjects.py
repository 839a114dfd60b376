"""Pictures whose object is known, and what it takes to know it."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from service.errors import FileUnreadable
from service.evaluation.variants.files import digest_of, read
from service.evaluation.variants.kinds import NEEDS, Need
from service.evaluation.variants.names import Named
from service.images import FINE_LIMITS, Picture, decode
from service.recognition.boxes import Box
from service.recognition.views import Mask, Scene

MASKS = "masks"
_LIMITS = replace(FINE_LIMITS, max_bytes=2**30)  # the user's own files


@dataclass(frozen=True)
class Finding:
    """What is known of a picture's object, or the problem that keeps the picture out.

    width, height: of the decoded picture in pixels, which the box is in too. mask_digest: empty where there is no mask.
    """

    width: int = 0
    height: int = 0
    box: Box | None = None
    mask_digest: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Task:
    """To find out what is known of one picture's object.

    box: in pixels of the upright picture. need: of all that is to be made of it. target: where its mask is kept.
    file_digest: of the picture. digest: of all that the finding depends on.
    """

    path: Path
    box: Box | None
    mask: Path | None
    need: Need
    target: Path
    file_digest: str
    digest: str = ""

    @property
    def searches(self) -> bool:
        """Whether more is needed than the table tells."""
        known: Need = "mask" if self.mask else "box" if self.box else "picture"
        return NEEDS.index(known) < NEEDS.index(self.need)


@dataclass(frozen=True)
class Subject:
    """A picture of `width` x `height` pixels with its object's box in them and the file of its mask, where known."""

    path: Path
    label: str
    name: str
    source: str
    file_digest: str
    width: int
    height: int
    box: Box | None
    mask: Path | None
    mask_digest: str


def task_of(named: Named, need: Need, finder: str | None, out: Path) -> Task:
    """Raises: FileUnreadable where a file cannot be read."""
    picture = named.picture
    file_digest = hashlib.sha256(read(picture.path)).hexdigest()
    mask_digest = hashlib.sha256(read(picture.mask)).hexdigest() if picture.mask else ""
    edges = list(vars(picture.box).values()) if picture.box else None
    task = Task(picture.path, picture.box, picture.mask, need, out / MASKS / f"{named.name}.png", file_digest)
    search = [picture.label, finder, need] if task.searches else None
    return replace(task, digest=digest_of("object", file_digest, mask_digest, edges, search))


def subject_of(named: Named, task: Task, finding: Finding) -> Subject:
    return Subject(
        named.picture.path,
        named.picture.label,
        named.name,
        named.source,
        task.file_digest,
        finding.width,
        finding.height,
        finding.box,
        task.target if finding.mask_digest else None,
        finding.mask_digest,
    )


def decoded(path: Path) -> Picture:
    """Raises: FileUnreadable where the file cannot be read, ImageError where it is no picture."""
    return decode(read(path), _LIMITS)


def inside(mask: Picture) -> Mask:
    """`[H, W]`, true where a mask's picture is not black."""
    red, green, blue = mask.rgb.transpose(2, 0, 1)
    seen: Mask = (red | green | blue) > 0
    return seen


def scene_of(subject: Subject) -> Scene:
    """The subject's pixels. Raises: FileUnreadable where its files changed since they were looked at."""
    rgb = decoded(subject.path).rgb
    mask = inside(decoded(subject.mask)) if subject.mask else None
    size = (subject.height, subject.width)
    if rgb.shape[:2] != size or (mask is not None and mask.shape != size):
        raise FileUnreadable(f"{subject.path} was changed while it was read")
    return Scene(rgb, subject.box, mask)
