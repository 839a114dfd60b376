"""The fields of a classification request, however they travel."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.errors import FieldProblem, InvalidFields
from service.recognition.fusion import FUSIONS
from service.recognition.views import BRANCHES
from service.recognizer import Options


def _comma_separated(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return _comma_separated(value[0])
    return value


def _json_object(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value  # fails the check for an object, with the field's name


class ClassifyFields(BaseModel):
    """`branches` may be a list or one comma-separated string, `metadata` an object or its JSON."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"dataset": "pets", "top_k": 3}})

    dataset: str = Field(min_length=1, max_length=100, description="Name of a registered dataset.")
    top_k: int = Field(5, ge=1, description="How many classes `scores` holds.")
    fusion: str | None = Field(None, description=f"One of {', '.join(FUSIONS)}; by default the dataset's.")
    branches: Annotated[list[str], BeforeValidator(_comma_separated)] = Field(
        list(BRANCHES), min_length=1, description=f"Which views answer, of {', '.join(BRANCHES)}."
    )
    localizer_prompt: str | None = Field(
        None, min_length=1, max_length=1000, description="What to look for, instead of the dataset's prompts."
    )
    metadata: Annotated[dict[str, Any] | None, BeforeValidator(_json_object)] = Field(
        None, description="Facts about the picture, as an object."
    )

    def options(self, max_top_k: int) -> Options:
        """Raises InvalidFields for names that are not known, listing those that are."""
        problems = []
        if self.top_k > max_top_k:
            problems.append(FieldProblem("top_k", f"must be at most {max_top_k}, not {self.top_k}"))
        if self.fusion is not None and self.fusion not in FUSIONS:
            problems.append(FieldProblem("fusion", f"{self.fusion!r} is not known", tuple(FUSIONS)))
        problems += [
            FieldProblem(f"branches[{place}]", f"{name!r} is not known", BRANCHES)
            for place, name in enumerate(self.branches)
            if name not in BRANCHES
        ]
        if self.localizer_prompt is not None and not self.localizer_prompt.strip():
            problems.append(FieldProblem("localizer_prompt", "must not be blank"))
        if problems:
            raise InvalidFields(*problems)
        return Options(self.top_k, self.fusion, tuple(self.branches), self.localizer_prompt)
