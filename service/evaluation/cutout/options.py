"""How cut-outs look; what a folder of them was made with."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from service.errors import FieldProblem, InvalidFields
from service.recognition.colours import NAMED_COLOURS, colour_of, is_colour
from service.recognition.views import Rgb

TRANSPARENT = "transparent"
CROP = "crop"
GROUNDS = (TRANSPARENT, CROP, *NAMED_COLOURS, "#rrggbb")
BOX = "box"
PICTURE = "picture"
FRAMES = (BOX, PICTURE)
# A format's file name suffixes; the first is given to pictures that had another format.
FORMATS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"png": (".png",), "webp": (".webp",), "jpeg": (".jpg", ".jpeg")}
)
NATURAL_MEAN: Rgb = (124, 116, 104)  # of ImageNet's pictures: one colour for all, so that it tells nothing of any


@dataclass(frozen=True)
class CutoutOptions:
    """What a cut-out shows.

    ground: what stands in the background's place: `transparent`, `crop` (the background itself), or a colour. frame:
    `box`, or `picture` for cut-outs of the whole picture's size. margin: widening of the box on every side, as a part
    of its size. picture_format: a key of `FORMATS`. prompts: what the localizer looks for.

    Raises:
        InvalidFields: unknown names, a margin outside [0, 1], or options that contradict each other.
    """

    ground: str = TRANSPARENT
    frame: str = BOX
    margin: float = 0.0
    picture_format: str = "png"
    prompts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise InvalidFields(*problems)

    @property
    def colour(self) -> Rgb | None:
        """The background's colour; None for `transparent` and `crop`."""
        return colour_of(self.ground, NATURAL_MEAN) if is_colour(self.ground) else None

    def as_document(self) -> dict[str, Any]:
        return {**asdict(self), "prompts": list(self.prompts)}

    def _problems(self) -> Iterator[FieldProblem]:
        if self.ground not in (TRANSPARENT, CROP) and not is_colour(self.ground):
            yield FieldProblem("ground", f"{self.ground!r} is not known", GROUNDS)
        if self.frame not in FRAMES:
            yield FieldProblem("frame", f"{self.frame!r} is not known", FRAMES)
        if self.picture_format not in FORMATS:
            yield FieldProblem("format", f"{self.picture_format!r} is not known", tuple(FORMATS))
        if not 0.0 <= self.margin <= 1.0:
            yield FieldProblem("margin", f"must lie in [0, 1], not {self.margin}")
        elif self.margin and self.frame == PICTURE:
            yield FieldProblem("margin", "has no meaning in the whole picture's frame", ("0",))
        if self.ground == CROP and self.frame == PICTURE:
            yield FieldProblem("frame", "a crop in the whole picture's frame is the picture itself", (BOX,))
        if self.ground == TRANSPARENT and self.picture_format == "jpeg":
            yield FieldProblem("format", "jpeg has no transparency", ("png", "webp"))
        if any(not prompt.strip() for prompt in self.prompts):
            yield FieldProblem("prompt", "must not be blank")
