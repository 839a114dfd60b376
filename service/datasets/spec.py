"""What a dataset is: a list of classes and how pictures are to be compared with it. Illegal ones cannot be built."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from service.datasets.checks import LONGEST_NAME, problems_of
from service.errors import FieldProblem, InvalidFields
from service.models.ports import PromptMode, PromptSet
from service.recognition.abstention import ABSTAIN_BY
from service.recognition.calibration import Calibration
from service.recognition.fusion import DEFAULT_FUSION
from service.recognition.priors import Prior
from service.recognition.prompts import DEFAULT_TEMPLATE, PLACE, class_prompts
from service.recognition.views import FULL

MOST_PROBLEMS = 50  # that are named
MOST_COMPOSED = 4 * LONGEST_NAME  # characters of a name before composing
DATASET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
DATASET_NAME_RULE = "1 to 100 letters, digits, dots, dashes or underscores, the first a letter or digit"


@dataclass(frozen=True)
class ClassEntry:
    """A class: its name, whole prompts of its own to be embedded in place of the filled templates, and the SHA-256 of
    example pictures. `picture_weight`, in (0, 1], is the pictures' part in its prototype: 1 leaves the name out."""

    name: str
    prompts: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    picture_weight: float = 0.5

    @property
    def is_named(self) -> bool:
        """Whether its name takes part in its prototype."""
        return not self.pictures or self.picture_weight < 1


@dataclass(frozen=True)
class DatasetSpec:
    """A class list with its settings.

    pad_colour: `mean` (the encoder's), `black`, `white` or `#rrggbb`. class_prior: p(class) that the scores carry
    before any metadata. branches: None leaves them to the service's profile. cascade: confidence at which the first
    view's answer is taken and the others are left out. abstain_below: level of `abstain_by` below which no class is
    answered.

    Raises:
        InvalidFields: naming every bad field and item, of very many the first.
    """

    classes: tuple[ClassEntry, ...]
    templates: tuple[str, ...] = (DEFAULT_TEMPLATE,)
    localizer_prompts: tuple[str, ...] = ()
    localizer_prompt_mode: PromptMode | None = None
    box_threshold: float | None = None
    box_margin: float | None = None
    encoder: str | None = None
    fusion: str = DEFAULT_FUSION
    branches: tuple[str, ...] | None = None
    pad_colour: str = "mean"
    wide_margin: float | None = None
    blur: float | None = None
    priors: Mapping[str, Prior] = field(default_factory=dict)
    class_prior: Mapping[str, float] | None = None
    cascade: float | None = None
    cascade_first: str = FULL
    abstain_below: float | None = None
    abstain_by: str = ABSTAIN_BY[0]
    calibration: Calibration = field(default_factory=Calibration)

    def __post_init__(self) -> None:
        problems = list(islice(problems_of(self), MOST_PROBLEMS))
        if problems:
            raise InvalidFields(*problems)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.classes)

    @property
    def prompt_set(self) -> PromptSet:
        return PromptSet(self.localizer_prompts, self.localizer_prompt_mode)

    def text_count(self, entry: ClassEntry) -> int:
        """How much there is to embed for one class: texts and pictures."""
        texts = len(entry.prompts) or len(self.templates)
        return texts * entry.is_named + len(entry.pictures)

    def character_count(self, entry: ClassEntry) -> int:
        """Of the texts of one class, without making them."""
        more = len(entry.name) - len(PLACE)
        texts = entry.prompts or self.templates
        return sum(len(text) + text.count(PLACE) * more for text in texts) * entry.is_named

    def texts(self, entry: ClassEntry) -> list[str]:
        """What the encoder embeds for one class."""
        return class_prompts([entry.name], entry.prompts or self.templates) if entry.is_named else []


def check_dataset_name(name: str) -> None:
    """Raises InvalidFields for a name that cannot stand in a URL."""
    if not DATASET_NAME.fullmatch(name):
        raise InvalidFields(FieldProblem("name", f"must be {DATASET_NAME_RULE}"))


def clean_name(name: str) -> str:
    """One spelling of a class name: Unicode composed, single spaces, none at the ends. What is far too long for a name
    stays as it is: composing takes the square of a text's length, and Python's lock."""
    if len(name) > MOST_COMPOSED:
        return name
    return " ".join(filter(None, unicodedata.normalize("NFC", name).split(" ")))
