"""The data sets of Xiao et al. 2020 (arXiv 2006.09994) as rows of data."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from service.errors import FieldProblem, InvalidFields
from service.evaluation.variants import compositing
from service.recognition.views import Pixels, Scene

Need = Literal["picture", "box", "mask"]  # each includes those before it
NEEDS: tuple[Need, ...] = ("picture", "box", "mask")
Ground = Literal["same", "random", "next", "others"]


@dataclass(frozen=True)
class Variant:
    """A kind of picture: what of the object must be known, and of which class another picture gives the background."""

    name: str
    summary: str
    needs: Need
    make: Callable[[Scene, Scene | None], Pixels]
    ground: Ground | None = None
    shows_object: bool = True

    @property
    def needs_background(self) -> bool:
        return self.ground is not None or self.needs == "box"


def _alone(make: Callable[[Scene], Pixels]) -> Callable[[Scene, Scene | None], Pixels]:
    return lambda scene, _background: make(scene)


def _mixed(scene: Scene, background: Scene | None) -> Pixels:
    if background is None:
        raise ValueError("this variant needs a background")
    return compositing.mixed(scene, background)


ADVERSARIAL = "mixed_adversarial"
_ROWS = (
    Variant("original", "the picture, encoded as the others are", "picture", _alone(lambda scene: scene.rgb)),
    Variant("only_bg_b", "the object's box black", "box", _alone(compositing.only_bg_b), shows_object=False),
    Variant("only_bg_t", "the object's box covered with repeated background", "box", _alone(compositing.only_bg_t),
            shows_object=False),
    Variant("no_fg", "the object black, its shape left", "mask", _alone(compositing.no_fg), shows_object=False),
    Variant("only_fg", "the object on black", "mask", _alone(compositing.only_fg)),
    Variant("mixed_same", "the object on a background of its class", "mask", _mixed, "same"),
    Variant("mixed_rand", "the object on a background of a random class, its own among them", "mask", _mixed, "random"),
    Variant("mixed_next", "the object on a background of the next class in alphabetical order", "mask", _mixed, "next"),
    Variant(ADVERSARIAL, "the object on several backgrounds of other classes", "mask", _mixed, "others"),
)  # fmt: skip
VARIANTS: Mapping[str, Variant] = MappingProxyType({row.name: row for row in _ROWS})
DEFAULT_KINDS = tuple(name for name in VARIANTS if name != ADVERSARIAL)


def check_kinds(names: Iterable[str], adversarial: int) -> tuple[Variant, ...]:
    """The rows of `names`, in the table's order, with the adversarial one where it gets a number of backgrounds.

    Raises:
        InvalidFields: an unknown name, none at all, or no number for the adversarial kind.
    """
    wanted = set(names)
    unknown = sorted(wanted - set(VARIANTS))
    if unknown:
        raise InvalidFields(FieldProblem("kinds", f"{', '.join(map(repr, unknown))} not known", tuple(VARIANTS)))
    if adversarial < 0 or (ADVERSARIAL in wanted and not adversarial):
        raise InvalidFields(FieldProblem("adversarial", f"{ADVERSARIAL} needs at least 1 background for each object"))
    wanted |= {ADVERSARIAL} if adversarial else set()
    if not wanted:
        raise InvalidFields(FieldProblem("kinds", "none is named", tuple(VARIANTS)))
    return tuple(row for name, row in VARIANTS.items() if name in wanted)


def need_of(variants: Iterable[Variant]) -> Need:
    """The most that one of them needs; a background is cut out by its box."""
    return max((variant.needs for variant in variants), key=NEEDS.index)
