"""What a dataset is: a list of classes and how pictures are to be compared with it. Illegal ones cannot be built."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.errors import FieldProblem, InvalidFields
from service.models.ports import PROMPT_MODES, PromptMode, PromptSet
from service.recognition.fusion import DEFAULT_FUSION, FUSIONS
from service.recognition.prompts import DEFAULT_TEMPLATE, PLACE, class_prompts

LONGEST_NAME = 200
LONGEST_PROMPT = 1000
MOST_TEMPLATES = 200
MOST_LOCALIZER_PROMPTS = 100
DATASET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
DATASET_NAME_RULE = "1 to 100 letters, digits, dots, dashes or underscores, the first a letter or digit"


@dataclass(frozen=True)
class ClassEntry:
    """A class: its name, and whole prompts of its own to be embedded in place of the filled templates."""

    name: str
    prompts: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetSpec:
    """A class list with its settings.

    Raises:
        InvalidFields: naming every bad field and item.
    """

    classes: tuple[ClassEntry, ...]
    templates: tuple[str, ...] = (DEFAULT_TEMPLATE,)
    localizer_prompts: tuple[str, ...] = ()
    localizer_prompt_mode: PromptMode | None = None
    box_threshold: float | None = None
    box_margin: float | None = None
    encoder: str | None = None
    fusion: str = DEFAULT_FUSION

    def __post_init__(self) -> None:
        problems = [*_class_problems(self.classes), *_text_problems(self), *_choice_problems(self)]
        if problems:
            raise InvalidFields(*problems[:50])

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.classes)

    @property
    def prompt_set(self) -> PromptSet:
        return PromptSet(self.localizer_prompts, self.localizer_prompt_mode)

    def text_count(self, entry: ClassEntry) -> int:
        return len(entry.prompts) or len(self.templates)

    def texts(self, entry: ClassEntry) -> list[str]:
        """What the encoder embeds for one class."""
        return class_prompts([entry.name], entry.prompts or self.templates)


def check_dataset_name(name: str) -> None:
    """Raises InvalidFields for a name that cannot stand in a URL."""
    if not DATASET_NAME.fullmatch(name):
        raise InvalidFields(FieldProblem("name", f"must be {DATASET_NAME_RULE}"))


def clean_name(name: str) -> str:
    """One spelling of a class name: Unicode composed, single spaces, none at the ends."""
    return " ".join(part for part in unicodedata.normalize("NFC", name).split(" ") if part)


def _class_problems(classes: Sequence[ClassEntry]) -> Iterator[FieldProblem]:
    if not classes:
        yield FieldProblem("classes", "must hold at least one class")
    seen: dict[str, int] = {}
    for place, entry in enumerate(classes):
        field = f"classes[{place}]"
        yield from _string_problems(f"{field}.name", entry.name, LONGEST_NAME)
        if entry.name in seen:
            yield FieldProblem(f"{field}.name", f"is a duplicate of classes[{seen[entry.name]}]: {entry.name!r}")
        seen.setdefault(entry.name, place)
        if len(entry.prompts) > MOST_TEMPLATES:
            yield FieldProblem(f"{field}.prompts", f"holds {len(entry.prompts)} prompts; at most {MOST_TEMPLATES}")
        for number, prompt in enumerate(entry.prompts):
            yield from _string_problems(f"{field}.prompts[{number}]", prompt, LONGEST_PROMPT)


def _text_problems(spec: DatasetSpec) -> Iterator[FieldProblem]:
    if not 1 <= len(spec.templates) <= MOST_TEMPLATES:
        yield FieldProblem("templates", f"must hold 1 to {MOST_TEMPLATES} templates")
    for place, template in enumerate(spec.templates):
        yield from _string_problems(f"templates[{place}]", template, LONGEST_PROMPT)
        if PLACE not in template:
            yield FieldProblem(f"templates[{place}]", f"has no {PLACE} for the class name: {template[:80]!r}")
    if len(spec.localizer_prompts) > MOST_LOCALIZER_PROMPTS:
        yield FieldProblem("localizer_prompts", f"must hold at most {MOST_LOCALIZER_PROMPTS} prompts")
    for place, prompt in enumerate(spec.localizer_prompts):
        yield from _string_problems(f"localizer_prompts[{place}]", prompt, LONGEST_PROMPT)


def _choice_problems(spec: DatasetSpec) -> Iterator[FieldProblem]:
    if spec.fusion not in FUSIONS:
        yield FieldProblem("fusion", f"{spec.fusion!r} is not known", tuple(FUSIONS))
    if spec.localizer_prompt_mode is not None and spec.localizer_prompt_mode not in PROMPT_MODES:
        yield FieldProblem("localizer_prompt_mode", f"{spec.localizer_prompt_mode!r} is not known", PROMPT_MODES)
    for field in ("box_threshold", "box_margin"):
        value = getattr(spec, field)
        if value is not None and not 0.0 <= value <= 1.0:
            yield FieldProblem(field, f"must lie in [0, 1], not {value}")


def _string_problems(field: str, text: str, longest: int) -> Iterator[FieldProblem]:
    if not any(unicodedata.category(character)[0] in "LMNPS" for character in text):
        yield FieldProblem(field, "must not be blank")
    elif len(text) > longest:
        yield FieldProblem(field, f"has {len(text)} characters; at most {longest}")
    elif any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        yield FieldProblem(field, "must not hold control characters")
