"""What can be known of a picture, piece by piece, and the key of each piece."""

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.images import Picture
from service.models.ports import Floats, PromptSet
from service.recognition.boxes import Box, Detection
from service.recognition.views import VIEWS, Style

Value = TypeVar("Value")
Kind = Literal["pictures", "boxes", "masks", "views"]
KINDS: tuple[Kind, ...] = ("pictures", "boxes", "masks", "views")
FAST = 1  # zlib's level: most of the size for a fraction of the time


@dataclass(frozen=True, slots=True)
class Piece(Generic[Value]):
    """A key of something to be known of a picture."""

    kind: ClassVar[Kind]


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture's `width` and `height` in pixels, upright, and its pixels per decoded one, (x, y)."""

    width: int
    height: int
    scale: tuple[float, float]

    @classmethod
    def of(cls, picture: Picture) -> "Frame":
        return cls(picture.width, picture.height, picture.scale)


@dataclass(frozen=True, slots=True)
class PackedDetection:
    """A detection without its mask, and the mask's shape and compressed levels, if it has any."""

    bare: Detection
    shape: tuple[int, ...] = ()
    levels: bytes = b""


@dataclass(frozen=True, slots=True)
class FrameOf(Piece[Frame]):
    kind: ClassVar[Kind] = "pictures"


@dataclass(frozen=True, slots=True)
class BoxesOf(Piece[tuple[PackedDetection, ...]]):
    """What the localizer finds; the same prompts for all, where it reads none."""

    kind: ClassVar[Kind] = "boxes"
    prompts: PromptSet


@dataclass(frozen=True, slots=True)
class MaskOf(Piece[bool]):
    """Whether any pixel is the object's. `levels`: a digest of the localizer's mask, empty where a segmenter makes it
    from the box."""

    kind: ClassVar[Kind] = "masks"
    box: Box
    levels: bytes

    @classmethod
    def made_from(cls, found: Detection) -> "MaskOf":
        return cls(found.box, b"" if found.mask is None else hashlib.sha256(found.mask.tobytes()).digest())


@dataclass(frozen=True, slots=True)
class ViewOf(Piece[Floats]):
    """A view's embedding, by all that the view depends on."""

    kind: ClassVar[Kind] = "views"
    name: str
    place: Box | MaskOf | None
    style: tuple[Any, ...]

    @classmethod
    def seen(cls, name: str, found: Detection | None, mask: MaskOf | None, style: Style) -> "ViewOf":
        """`mask` must be given for a view that needs one, `found` for one that needs a box."""
        view = VIEWS[name]
        place = mask if view.needs_mask else found.box if view.needs_box and found is not None else None
        return cls(name, place, tuple(getattr(style, part) for part in view.style))


def packed(found: Sequence[Detection]) -> tuple[PackedDetection, ...]:
    return tuple(_packed(detection) for detection in found)


def unpacked(found: Sequence[PackedDetection]) -> tuple[Detection, ...]:
    return tuple(_unpacked(detection) for detection in found)


def _packed(detection: Detection) -> PackedDetection:
    if detection.mask is None:
        return PackedDetection(detection)
    levels = zlib.compress(detection.mask.tobytes(), FAST)
    return PackedDetection(replace(detection, mask=None), detection.mask.shape, levels)


def _unpacked(detection: PackedDetection) -> Detection:
    if not detection.shape:
        return detection.bare
    levels: NDArray[np.uint8] = np.frombuffer(zlib.decompress(detection.levels), np.uint8).reshape(detection.shape)
    return replace(detection.bare, mask=levels)
