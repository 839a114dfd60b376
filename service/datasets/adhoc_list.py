"""A class list that comes with a request, and how much of one may."""

from dataclasses import dataclass, field

from service.datasets.fingerprints import version_of
from service.datasets.prototypes import has_pictures
from service.datasets.spec import DatasetSpec
from service.errors import FieldProblem, InvalidFields

MOST_CHARACTERS = 2_000_000  # of all texts together: templates may name the class many times
REGISTER = "register a longer list once, by POST /datasets"


@dataclass(frozen=True)
class AdhocLimits:
    """max_texts: of one list, classes times templates. cache_bytes: for lists seen before. max_waiting: lists."""

    max_classes: int = 1000
    max_texts: int = 4000
    cache_bytes: int = 64 * 2**20
    max_waiting: int = 64


@dataclass(frozen=True)
class AdhocList:
    """What a request compares its pictures with. Fingerprinting a long list takes milliseconds."""

    spec: DatasetSpec
    version: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "version", version_of(self.spec))

    @property
    def text_count(self) -> int:
        return sum(map(self.spec.text_count, self.spec.classes))


def check_count(classes: int, limits: AdhocLimits) -> None:
    """Raises InvalidFields: so many do not come with a request."""
    if classes > limits.max_classes:
        detail = f"holds {classes} classes; at most {limits.max_classes} in a request; {REGISTER}"
        raise InvalidFields(FieldProblem("classes", detail))


def listed(spec: DatasetSpec, limits: AdhocLimits) -> AdhocList:
    """Raises InvalidFields: more than may come with a request, or pictures."""
    check_count(len(spec.classes), limits)
    characters = sum(spec.character_count(entry) for entry in spec.classes)
    if characters > MOST_CHARACTERS:
        detail = f"make texts of {characters} characters; at most {MOST_CHARACTERS} in a request; {REGISTER}"
        raise InvalidFields(FieldProblem("classes", detail))
    if has_pictures(spec):
        place = next(place for place, entry in enumerate(spec.classes) if entry.pictures)
        detail = "example pictures are kept with a registered dataset"
        raise InvalidFields(FieldProblem(f"classes[{place}].images", detail))
    asked = AdhocList(spec)
    if asked.text_count > limits.max_texts:
        detail = f"make {asked.text_count} texts; at most {limits.max_texts} in a request; {REGISTER}"
        raise InvalidFields(FieldProblem("classes", detail))
    return asked
