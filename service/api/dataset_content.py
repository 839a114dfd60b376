"""A dataset's content on the wire, as it is sent."""

from typing import Annotated, Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from service.api.dataset_schemas import DatasetSummary
from service.api.exemplars import Exemplars
from service.api.json_pieces import parse
from service.api.late_json import Unparsed
from service.api.problems import NAME_TAG, OBJECT_TAG, too_many_found
from service.datasets.spec import ClassEntry, DatasetSpec, clean_name
from service.errors import FieldProblem, InvalidFields
from service.models.ports import PromptMode
from service.recognition.abstention import ABSTAIN_BY
from service.recognition.calibration import Calibration
from service.recognition.fusion import DEFAULT_FUSION, FUSIONS
from service.recognition.priors import Prior
from service.recognition.prompts import DEFAULT_TEMPLATE
from service.recognition.views import DEFAULT_BRANCHES, FULL, VIEWS

READ_ONLY = set(DatasetSummary.model_fields) - {"name"}
MOST_LISTED = 1_000_000  # beyond that a list is not looked at; the limits of what may be used are lower
Item = TypeVar("Item")
Listed = Annotated[list[Item], Field(max_length=MOST_LISTED)]
PLAIN = (
    "localizer_prompt_mode",
    "box_threshold",
    "box_margin",
    "encoder",
    "fusion",
    "pad_colour",
    "wide_margin",
    "blur",
    "class_prior",
    "cascade",
    "cascade_first",
    "abstain_below",
    "abstain_by",
)
Part = Annotated[float, Field(ge=0, le=1)]
Table = dict[str, dict[str, Annotated[float, Field(ge=0)]]]


class PriorIn(BaseModel):
    """For each value of an attribute either how often each class was seen with it, or p(class | value)."""

    model_config = ConfigDict(extra="forbid")

    counts: Table | None = None
    probabilities: Table | None = None
    smoothing: float = Field(1.0, ge=0, description="Added to every count.")

    def prior(self, field: str) -> Prior:
        """Raises InvalidFields."""
        if (self.counts is None) == (self.probabilities is None):
            raise InvalidFields(FieldProblem(field, "needs either counts or probabilities"))
        try:
            if self.counts is not None:
                return Prior("counts", self.counts, self.smoothing)
            return Prior("probabilities", self.probabilities or {}, self.smoothing)
        except ValueError as error:
            raise InvalidFields(FieldProblem(field, str(error))) from None


class ClassIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    prompts: Listed[str] = Field(default_factory=list, description="Whole texts to embed in place of the templates.")
    images: Listed[str] | None = Field(
        None, description="Example pictures: base64, a data URI, or `sha256:` and the digest of one that is stored."
    )
    image_weight: float | None = Field(
        None, gt=0, le=1, description="Part of the pictures against the name, 0.5 by default; 1 leaves the name out."
    )


def _kind(entry: Any) -> str:
    return NAME_TAG if isinstance(entry, str) else OBJECT_TAG


Entry = Annotated[
    Annotated[str, Tag(NAME_TAG)] | Annotated[ClassIn, Tag(OBJECT_TAG)], Discriminator(_kind)
]  # a model for each of 100,000 names would take a second


class DatasetContent(BaseModel):
    """A class list and how pictures are compared with it."""

    model_config = ConfigDict(extra="forbid")

    classes: Listed[Entry] = Field(description="Names, or objects with `name`, `prompts` and `images`.")
    templates: Listed[str] = Field([DEFAULT_TEMPLATE], description="Texts with {} for the class name.")
    localizer_prompts: Listed[str] = Field(default_factory=list, description="What the localizer looks for.")
    localizer_prompt_mode: PromptMode | None = Field(
        None, description="Several prompts side by side, or their averaged features; by default the localizer's habit."
    )
    box_threshold: float | None = Field(None, ge=0, le=1, description="Boxes scored lower are not used.")
    box_margin: float | None = Field(None, ge=0, le=1, description="Widening of the box, as a part of its size.")
    encoder: str | None = Field(None, description="Refuse to answer with any other encoder than this one.")
    fusion: str = Field(DEFAULT_FUSION, description=f"How the branches become one answer: {', '.join(FUSIONS)}.")
    branches: Listed[str] | None = Field(
        None, description=f"Which views answer, of {', '.join(VIEWS)}; by default the profile's."
    )
    pad_colour: str = Field("mean", description="What is filled in: `mean`, `black`, `white` or `#rrggbb`.")
    wide_margin: Part | None = Field(None, description="Widening of the box in `fg_margin`.")
    blur: Part | None = Field(None, description="Radius of `full_blur`, as a part of the longer side.")
    priors: dict[str, PriorIn] = Field(default_factory=dict, description="What metadata say, attribute by attribute.")
    class_prior: dict[str, float] | None = Field(None, description="p(class) that the scores carry; even by default.")
    cascade: Part | None = Field(None, description="Confidence at which the first view's answer is taken alone.")
    cascade_first: str = Field(FULL, description=f"Asked first in a cascade: {', '.join(DEFAULT_BRANCHES)}.")
    abstain_below: Part | None = Field(None, description="Level of `abstain_by` below which no class is answered.")
    abstain_by: str = Field(ABSTAIN_BY[0], description=f"What abstention looks at: {', '.join(ABSTAIN_BY)}.")
    calibration: Calibration | None = Field(None, description="What a calibration found, as it gave it.")

    @property
    def images(self) -> list[list[str]]:
        """The example pictures of each class, as they were sent."""
        return [[] if isinstance(entry, str) else entry.images or [] for entry in self.classes]

    def spec(self, exemplars: Exemplars) -> DatasetSpec:
        """Raises InvalidFields, naming every bad item."""
        fields = {name: getattr(self, name) for name in PLAIN}
        return DatasetSpec(
            classes=tuple(map(_entry, self.classes, exemplars.digests)),
            templates=tuple(self.templates),
            localizer_prompts=tuple(prompt.strip() for prompt in self.localizer_prompts),
            branches=None if self.branches is None else tuple(self.branches),
            priors={attribute: entry.prior(f"priors.{attribute}") for attribute, entry in self.priors.items()},
            calibration=self.calibration or Calibration(),
            **fields,
        )


class DatasetIn(DatasetContent):
    name: str


class DatasetPut(DatasetContent):
    """What GET gives may be sent again: its state is not looked at."""

    name: str | None = Field(None, description="If given, the name in the address.")

    @model_validator(mode="before")
    @classmethod
    def _without_state(cls, document: Any) -> Any:
        if not isinstance(document, dict):
            return document
        return {name: value for name, value in document.items() if name not in READ_ONLY}


Content = TypeVar("Content", bound=BaseModel)


def checked(model: type[Content], document: Any) -> Content:
    """A request's body, Unparsed or not, as a model, in the calling thread: of a long list this takes too long for the
    event loop.

    Raises:
        BadRequest: it is no JSON, or too much of it.
        RequestValidationError: as if FastAPI had done it.
        InvalidFields: for more errors than can be named.
    """
    try:
        return model.model_validate(parse(document.body) if isinstance(document, Unparsed) else document)
    except ValidationError as error:
        raise too_many_found(error) or RequestValidationError(error.errors()) from None


def _entry(entry: str | ClassIn, pictures: tuple[str, ...]) -> ClassEntry:
    if isinstance(entry, str):
        return ClassEntry(clean_name(entry))
    weights = {} if entry.image_weight is None or not pictures else {"picture_weight": entry.image_weight}
    return ClassEntry(clean_name(entry.name), tuple(entry.prompts), pictures, **weights)
