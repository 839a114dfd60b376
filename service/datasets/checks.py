"""What is wrong with a dataset's content, field by field."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from service.errors import FieldProblem
from service.models.ports import PROMPT_MODES
from service.recognition.abstention import ABSTAIN_BY
from service.recognition.colours import NAMED_COLOURS, is_colour
from service.recognition.fusion import FUSIONS
from service.recognition.prompts import PLACE
from service.recognition.views import DEFAULT_BRANCHES, VIEWS

if TYPE_CHECKING:
    from service.datasets.spec import ClassEntry, DatasetSpec

LONGEST_NAME = 200
LONGEST_PROMPT = 1000
MOST_TEMPLATES = 200
MOST_LOCALIZER_PROMPTS = 100
MOST_ATTRIBUTES = 50
MOST_VALUES = 10_000


def problems_of(spec: "DatasetSpec") -> Iterator[FieldProblem]:
    """Every bad field and item, in the order of the fields; found as they are asked for: there may be millions."""
    yield from _class_problems(spec.classes)
    yield from _text_problems(spec)
    yield from _choice_problems(spec)
    if spec.branches is not None:
        yield from branch_problems("branches", spec.branches)
    yield from _number_problems(spec)
    yield from _prior_problems(spec)
    yield from _calibration_problems(spec)


def branch_problems(field: str, branches: Sequence[str]) -> Iterator[FieldProblem]:
    """What is wrong with a list of branches."""
    if not branches:
        yield FieldProblem(field, "must name at least one branch", tuple(VIEWS))
    if len(branches) > 2 * len(VIEWS):  # comparing each with all before it takes the square of that
        yield FieldProblem(field, f"names {len(branches)} branches; there are {len(VIEWS)}", tuple(VIEWS))
        return
    for place, name in enumerate(branches):
        if name not in VIEWS:
            yield FieldProblem(f"{field}[{place}]", f"{name!r} is not known", tuple(VIEWS))
        elif name in branches[:place]:
            yield FieldProblem(f"{field}[{place}]", f"{name!r} is given twice")


def fusion_problems(fusion: str, branches: Sequence[str], spec: "DatasetSpec") -> Iterator[FieldProblem]:
    """What is wrong with asking for a fusion of these branches."""
    row = FUSIONS.get(fusion)
    if row is None:
        yield FieldProblem("fusion", f"{fusion!r} is not known", tuple(FUSIONS))
    elif row.needs is not None and len(branches) > 1:
        fitted = spec.calibration.branches if getattr(spec.calibration, row.needs) else ()
        if set(fitted) != set(branches):
            found = f"it is calibrated for {', '.join(fitted)}" if fitted else "the dataset is not calibrated for it"
            usable = tuple(name for name, other in FUSIONS.items() if other.needs is None)
            yield FieldProblem("fusion", f"{fusion!r} must be fitted to {', '.join(branches)}; {found}", usable)


def _class_problems(classes: "Sequence[ClassEntry]") -> Iterator[FieldProblem]:
    if not classes:
        yield FieldProblem("classes", "must hold at least one class")
    seen: dict[str, int] = {}
    for place, entry in enumerate(classes):
        field = f"classes[{place}]"
        if not _is_plain(entry.name):  # nearly all are, and there may be 100,000
            yield from _string_problems(f"{field}.name", entry.name, LONGEST_NAME)
        if entry.name in seen:
            yield FieldProblem(f"{field}.name", f"is a duplicate of classes[{seen[entry.name]}]: {entry.name!r}")
        seen.setdefault(entry.name, place)
        if len(entry.prompts) > MOST_TEMPLATES:
            yield FieldProblem(f"{field}.prompts", f"holds {len(entry.prompts)} prompts; at most {MOST_TEMPLATES}")
        for number, prompt in enumerate(entry.prompts):
            yield from _string_problems(f"{field}.prompts[{number}]", prompt, LONGEST_PROMPT)
        if not 0.0 < entry.picture_weight <= 1.0:
            yield FieldProblem(f"{field}.image_weight", f"must lie in (0, 1], not {entry.picture_weight}")


def _text_problems(spec: "DatasetSpec") -> Iterator[FieldProblem]:
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


def _choice_problems(spec: "DatasetSpec") -> Iterator[FieldProblem]:
    yield from fusion_problems(spec.fusion, spec.branches or spec.calibration.branches or DEFAULT_BRANCHES, spec)
    if spec.localizer_prompt_mode is not None and spec.localizer_prompt_mode not in PROMPT_MODES:
        yield FieldProblem("localizer_prompt_mode", f"{spec.localizer_prompt_mode!r} is not known", PROMPT_MODES)
    if not is_colour(spec.pad_colour):
        yield FieldProblem("pad_colour", f"{spec.pad_colour!r} is no colour", (*NAMED_COLOURS, "#rrggbb"))
    if spec.abstain_by not in ABSTAIN_BY:
        yield FieldProblem("abstain_by", f"{spec.abstain_by!r} is not known", ABSTAIN_BY)
    if spec.cascade_first not in DEFAULT_BRANCHES:
        yield FieldProblem("cascade_first", f"{spec.cascade_first!r} is not known", DEFAULT_BRANCHES)


def _number_problems(spec: "DatasetSpec") -> Iterator[FieldProblem]:
    for field in ("box_threshold", "box_margin", "wide_margin", "blur", "cascade", "abstain_below"):
        value = getattr(spec, field)
        if value is not None and not 0.0 <= value <= 1.0:
            yield FieldProblem(field, f"must lie in [0, 1], not {value}")


def _prior_problems(spec: "DatasetSpec") -> Iterator[FieldProblem]:
    labels = set(spec.labels)
    if len(spec.priors) > MOST_ATTRIBUTES:
        yield FieldProblem("priors", f"holds {len(spec.priors)} attributes; at most {MOST_ATTRIBUTES}")
    for attribute, prior in spec.priors.items():
        yield from _string_problems(f"priors.{attribute}", attribute, LONGEST_NAME)
        if not 1 <= len(prior.values) <= MOST_VALUES:
            yield FieldProblem(f"priors.{attribute}", f"must hold 1 to {MOST_VALUES} values")
        for value, row in prior.values.items():
            yield from _string_problems(f"priors.{attribute}.{value}", value, LONGEST_NAME)
            yield from _unknown_classes(f"priors.{attribute}.{value}", row, labels)
    yield from _unknown_classes("class_prior", spec.class_prior or {}, labels)
    if any(not 0.0 <= number <= 1.0 for number in (spec.class_prior or {}).values()):
        yield FieldProblem("class_prior", "must hold probabilities in [0, 1]")


def _unknown_classes(field: str, row: Mapping[str, float], labels: set[str]) -> Iterator[FieldProblem]:
    for name in row:
        if name not in labels:
            yield FieldProblem(field, f"{name!r} is none of the classes")


def _calibration_problems(spec: "DatasetSpec") -> Iterator[FieldProblem]:
    calibration, count = spec.calibration, len(spec.classes)
    if calibration.branches:
        yield from branch_problems("calibration.branches", calibration.branches)
    known = calibration.branches or tuple(VIEWS)  # temperatures alone are of no branches in particular
    for field in ("temperatures", "weights", "class_weights"):
        for name in getattr(calibration, field):
            if name not in known:
                yield FieldProblem(f"calibration.{field}", f"{name!r} is none of the branches", known)
    for name, row in calibration.temperatures.items():
        if len(row) not in (1, count):
            yield FieldProblem(f"calibration.temperatures.{name}", f"must hold 1 or {count} numbers, not {len(row)}")
    for name, row in calibration.class_weights.items():
        if len(row) != count:
            yield FieldProblem(f"calibration.class_weights.{name}", f"must hold {count} numbers, not {len(row)}")
    if calibration.network is not None and len(calibration.network.bias) != count:
        yield FieldProblem("calibration.network", f"must end in {count} numbers, not {len(calibration.network.bias)}")


def _is_plain(name: str) -> bool:
    """Certainly a name that has no problem."""
    return name.isprintable() and name[:1].isalnum() and len(name) <= LONGEST_NAME


def _string_problems(field: str, text: str, longest: int) -> Iterator[FieldProblem]:
    if not any(unicodedata.category(character)[0] in "LMNPS" for character in text):
        yield FieldProblem(field, "must not be blank")
    elif len(text) > longest:
        yield FieldProblem(field, f"has {len(text)} characters; at most {longest}")
    elif has_control_characters(text):
        yield FieldProblem(field, "must not hold control characters")


def has_control_characters(text: str) -> bool:
    """Also lone surrogates, which JSON can name and no database or answer can hold."""
    return any(unicodedata.category(character) in ("Cc", "Cs") for character in text)
