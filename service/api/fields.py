"""The fields of a classification request, however they travel."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from service.api.texts import comma_separated, json_object, names_of, templates_of
from service.datasets.checks import LONGEST_NAME, branch_problems, has_control_characters
from service.errors import FieldProblem, InvalidFields
from service.recognition.abstention import ABSTAIN_BY
from service.recognition.candidates import CANDIDATE_FUSIONS
from service.recognition.fusion import FUSIONS
from service.recognition.prompts import PLACE
from service.recognition.views import DEFAULT_BRANCHES, VIEWS
from service.stages.options import MOST_CANDIDATES, MOST_OBJECTS, Options

Part = Annotated[float, Field(ge=0, le=1)]
MOST_METADATA = 50
MOST_TOP_K_OF_OBJECTS = 100  # each object has the scores of every view


def _listed(names: Any) -> str:
    return ", ".join(names)


_NAME = {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}
_CLASS = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {"name": _NAME, "prompts": {"type": "array", "items": {"type": "string"}}},
}
_IN_A_STRING = {"type": "string", "description": "A JSON array, or separated by commas."}
_CLASSES = {"anyOf": [{"type": "array", "items": {"anyOf": [_NAME, _CLASS]}}, _IN_A_STRING, {"type": "null"}]}
_TEMPLATES = {"anyOf": [{"type": "array", "items": {"type": "string"}}, _IN_A_STRING, {"type": "null"}]}


class ClassifyFields(BaseModel):
    """`branches`, `classes` and `templates` may be lists or strings, `metadata` an object or its JSON."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"dataset": "pets", "top_k": 3}})

    dataset: str | None = Field(None, min_length=1, max_length=100, description="Name of a registered dataset.")
    dataset_version: str | None = Field(
        None, min_length=8, max_length=64, description="A kept version of it, or the beginning of its name."
    )
    classes: Annotated[list[Any] | None, BeforeValidator(names_of), WithJsonSchema(_CLASSES)] = Field(
        None, description="Instead of a dataset: the classes, names or objects with `name` and `prompts`."
    )
    templates: Annotated[list[str] | None, BeforeValidator(templates_of), WithJsonSchema(_TEMPLATES)] = Field(
        None, description=f"With `classes`: texts with {PLACE} for the class name."
    )
    top_k: int = Field(
        5, ge=1, description=f"How many classes `scores` holds; at most {MOST_TOP_K_OF_OBJECTS} with `objects`."
    )
    fusion: str | None = Field(None, description=f"One of {_listed(FUSIONS)}; by default the dataset's.")
    branches: Annotated[list[str] | None, BeforeValidator(comma_separated)] = Field(
        None, description=f"Which views answer, of {_listed(VIEWS)}; by default the dataset's, else the profile's."
    )
    localizer_prompt: str | None = Field(
        None, min_length=1, max_length=1000, description="What to look for, instead of the dataset's prompts."
    )
    metadata: Annotated[dict[str, str | int | float | bool] | None, BeforeValidator(json_object)] = Field(
        None, max_length=MOST_METADATA, description="Facts about the picture, which the dataset's priors weigh."
    )
    box_threshold: Part | None = Field(None, description="Boxes scored lower are not used.")
    box_margin: Part | None = Field(None, description="Widening of the box on every side, as a part of its size.")
    pad_colour: str | None = Field(
        None, description="What is filled in: `mean` (the encoder's), `black`, `white` or `#rrggbb`."
    )
    wide_margin: Part | None = Field(None, description="Widening of the box in `fg_margin`.")
    blur: Part | None = Field(None, description="Radius of `full_blur`, as a part of the longer side.")
    cascade: Part | None = Field(None, description="Confidence at which the first view's answer is taken alone.")
    cascade_first: str | None = Field(None, description=f"Asked first in a cascade: {_listed(DEFAULT_BRANCHES)}.")
    abstain_below: Part | None = Field(None, description="Level of `abstain_by` below which `label` is null.")
    abstain_by: str | None = Field(None, description=f"What abstention looks at: {_listed(ABSTAIN_BY)}.")
    objects: int = Field(0, ge=0, le=MOST_OBJECTS, description="Label so many located objects, each by itself.")
    candidates: int = Field(
        0,
        ge=0,
        le=MOST_CANDIDATES,
        description="Look for so many of the full picture's best labels; one answers.",
    )
    candidate_fusion: str = Field(
        CANDIDATE_FUSIONS[0], description=f"How a candidate's logits become one: {_listed(CANDIDATE_FUSIONS)}."
    )
    embeddings: bool = Field(False, description="Give the views' embeddings too, as base64 of little-endian float32.")

    def options(self, max_top_k: int) -> Options:
        """Raises InvalidFields for what can be judged without the dataset; the rest is judged with it."""
        problems = [*self._choice_problems()]
        if self.top_k > max_top_k:
            problems.append(FieldProblem("top_k", f"must be at most {max_top_k}, not {self.top_k}"))
        elif self.objects and self.top_k > MOST_TOP_K_OF_OBJECTS:
            detail = f"must be at most {MOST_TOP_K_OF_OBJECTS} with objects, not {self.top_k}"
            problems.append(FieldProblem("top_k", detail))
        if self.fusion is not None and self.fusion not in FUSIONS:
            problems.append(FieldProblem("fusion", f"{self.fusion!r} is not known", tuple(FUSIONS)))
        if self.branches is not None:
            problems += branch_problems("branches", self.branches)
        if self.localizer_prompt is not None and not self.localizer_prompt.strip():
            problems.append(FieldProblem("localizer_prompt", "must not be blank"))
        strange = [attribute for attribute in self.metadata or {} if has_control_characters(attribute)]
        if strange:
            problems.append(FieldProblem("metadata", f"{strange[0]!r} must not hold control characters"))
        if problems:
            raise InvalidFields(*problems)
        values = {name: getattr(self, name) for name in Options.__dataclass_fields__}
        metadata = {attribute: _as_text(value) for attribute, value in (self.metadata or {}).items()}
        branches = tuple(self.branches) if self.branches is not None else None
        return Options(**values | {"metadata": metadata, "branches": branches})

    def _choice_problems(self) -> Iterator[FieldProblem]:
        """Exactly one of a dataset and classes is wanted."""
        if self.classes is None:
            if self.dataset is None:
                yield FieldProblem("dataset", "is missing, and so is classes; one of them is wanted")
            if self.templates is not None:
                yield FieldProblem("templates", "go with classes; a dataset has its own")
        elif self.dataset is not None:
            yield FieldProblem("classes", "are given besides dataset; one of them is wanted")
        elif self.dataset_version is not None:
            yield FieldProblem("dataset_version", "goes with dataset")


def _as_text(value: str | float | bool) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)
