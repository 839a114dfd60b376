"""Registering, listing, replacing and deleting class lists."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.api.examples import DATASET_EXAMPLES, DATASET_OUT_EXAMPLE, problems
from service.api.schemas import ClassOut, DatasetList, DatasetOut, DatasetSummary
from service.api.state import parts_of
from service.datasets.records import DatasetInfo
from service.datasets.spec import ClassEntry, DatasetSpec, clean_name
from service.errors import FieldProblem, InvalidFields
from service.models.ports import PromptMode
from service.recognition.fusion import DEFAULT_FUSION
from service.recognition.prompts import DEFAULT_TEMPLATE

router = APIRouter(prefix="/datasets", tags=["datasets"])
BUILT = {"description": "Registered and ready", "content": {"application/json": {"example": DATASET_OUT_EXAMPLE}}}
BUILDING = {"model": DatasetOut, "description": "Kept; prototypes are being built, see `status` and `progress`"}


class ClassIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    prompts: list[str] = Field(default_factory=list, description="Whole texts to embed in place of the templates.")


def _named(entry: Any) -> Any:
    return {"name": entry} if isinstance(entry, str) else entry


Entry = Annotated[ClassIn, BeforeValidator(_named, json_schema_input_type=str | ClassIn)]


class DatasetContent(BaseModel):
    """A class list and how pictures are compared with it."""

    model_config = ConfigDict(extra="forbid")

    classes: list[Entry] = Field(description="Names, or objects with `name` and `prompts`.")
    templates: list[str] = Field([DEFAULT_TEMPLATE], description="Texts with {} for the class name.")
    localizer_prompts: list[str] = Field(default_factory=list, description="What the localizer looks for.")
    localizer_prompt_mode: PromptMode | None = Field(
        None, description="Several prompts side by side, or their averaged features; by default the localizer's habit."
    )
    box_threshold: float | None = Field(None, ge=0, le=1, description="Boxes scored lower are not used.")
    box_margin: float | None = Field(None, ge=0, le=1, description="Widening of the box, as a part of its size.")
    encoder: str | None = Field(None, description="Refuse to answer with any other encoder than this one.")
    fusion: str = Field(DEFAULT_FUSION, description="How the branches become one answer.")

    def spec(self) -> DatasetSpec:
        """Raises InvalidFields, naming every bad item."""
        fields = {name: getattr(self, name) for name in ("box_threshold", "box_margin", "encoder", "fusion")}
        return DatasetSpec(
            classes=tuple(_entry(entry) for entry in self.classes),
            templates=tuple(self.templates),
            localizer_prompts=tuple(prompt.strip() for prompt in self.localizer_prompts),
            localizer_prompt_mode=self.localizer_prompt_mode,
            **fields,
        )


class DatasetIn(DatasetContent):
    name: str


class DatasetPut(DatasetContent):
    name: str | None = Field(None, description="If given, the name in the address.")


NewDataset = Annotated[DatasetIn, Body(openapi_examples=DATASET_EXAMPLES)]


def _entry(entry: ClassIn) -> ClassEntry:
    return ClassEntry(clean_name(entry.name), tuple(entry.prompts))


@router.post(
    "",
    status_code=201,
    response_model=DatasetOut,
    responses={
        200: {"model": DatasetOut, "description": "The same content was registered before"},
        201: BUILT,
        202: BUILDING,
        **problems(400, 409, 413, 415, 422, 503),
    },
)
def register(
    request: Request, response: Response, body: Annotated[DatasetIn, Body(openapi_examples=DATASET_EXAMPLES)]
) -> dict[str, Any]:
    """Register a class list. The same content again changes nothing; other content under the same name is refused."""
    spec = body.spec()
    info, is_new = parts_of(request).registry.register(body.name, spec, replace=False)
    response.headers["Location"] = f"/datasets/{info.name}"
    response.status_code = _status(info, is_new)
    return dataset_out(info, spec)


@router.get("", response_model=DatasetList, responses=problems(503))
def list_all(request: Request) -> dict[str, Any]:
    """All registered datasets, without their classes."""
    registry = parts_of(request).registry
    return {"datasets": [_summary(info) for info in registry.infos()]}


@router.get("/{name}", response_model=DatasetOut, responses=problems(404, 422, 503))
def show(request: Request, name: str) -> dict[str, Any]:
    """One dataset, with its classes and settings."""
    return dataset_out(*parts_of(request).registry.content(name))


@router.put(
    "/{name}",
    response_model=DatasetOut,
    responses={201: BUILT, 202: BUILDING, **problems(400, 413, 415, 422, 503)},
)
def replace(request: Request, response: Response, name: str, body: DatasetPut) -> dict[str, Any]:
    """Register or replace. A long list goes on answering in its old version until the new one is built."""
    if body.name not in (None, name):
        raise InvalidFields(FieldProblem("name", f"must be {name!r}, as in the address, or be left out"))
    registry = parts_of(request).registry
    spec = body.spec()
    info, is_new = registry.register(name, spec, replace=True)
    response.status_code = _status(info, is_new)
    return dataset_out(info, spec)


@router.delete("/{name}", status_code=204, responses=problems(404, 422, 503))
def delete(request: Request, name: str) -> None:
    """Delete a dataset and what only it used."""
    parts_of(request).registry.delete(name)


def _status(info: DatasetInfo, is_new: bool | None) -> int:
    if info.status != "ready":
        return 202
    return 201 if is_new else 200


def _summary(info: DatasetInfo) -> dict[str, Any]:
    return {name: getattr(info, name) for name in DatasetSummary.model_fields}


def dataset_out(info: DatasetInfo, spec: DatasetSpec) -> dict[str, Any]:
    classes = [ClassOut(name=entry.name, prompts=list(entry.prompts)) for entry in spec.classes]
    return {**_summary(info), **asdict(spec), "classes": classes}
