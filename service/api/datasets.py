"""Registering, listing, replacing and deleting class lists."""

from dataclasses import fields
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response

from service.api.dataset_content import DatasetIn, DatasetPut
from service.api.dataset_schemas import ClassOut, DatasetList, DatasetOut, DatasetSummary, PriorOut
from service.api.examples import DATASET_EXAMPLES, DATASET_OUT_EXAMPLE, problems
from service.api.exemplars import Exemplars, reference_to
from service.api.state import parts_of
from service.datasets.records import DatasetInfo
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import FieldProblem, InvalidFields
from service.recognition.calibration import NEUTRAL
from service.recognition.priors import Prior

router = APIRouter(prefix="/datasets", tags=["datasets"])
BUILT = {"description": "Registered and ready", "content": {"application/json": {"example": DATASET_OUT_EXAMPLE}}}
BUILDING = {"model": DatasetOut, "description": "Kept; prototypes are being built, see `status` and `progress`"}
NewDataset = Annotated[DatasetIn, Body(openapi_examples=DATASET_EXAMPLES)]


@router.post(
    "",
    status_code=201,
    response_model=DatasetOut,
    response_model_exclude_unset=True,
    responses={
        200: {"model": DatasetOut, "description": "The same content was registered before"},
        201: BUILT,
        202: BUILDING,
        **problems(400, 409, 413, 415, 422, 503),
    },
)
def register(request: Request, response: Response, body: NewDataset) -> dict[str, Any]:
    """Register a class list. The same content again changes nothing, even where it was calibrated since; other content
    under the same name is refused."""
    registry = parts_of(request).registry
    exemplars = Exemplars.read(body.images, parts_of(request).recognizer.limits.image)
    spec = body.spec(exemplars)
    info, is_new = registry.register(body.name, spec, replace=False, pictures=exemplars.data)
    response.headers["Location"] = f"/datasets/{info.name}"
    response.status_code = _status(info, is_new)
    if is_new is None:  # it may have been calibrated or replaced since
        info, spec = registry.content(body.name)
    return dataset_out(info, spec)


@router.get("", response_model=DatasetList, responses=problems(503))
def list_all(request: Request) -> dict[str, Any]:
    """All registered datasets, without their classes."""
    registry = parts_of(request).registry
    return {"datasets": [_summary(info) for info in registry.infos()]}


@router.get("/{name}", response_model=DatasetOut, response_model_exclude_unset=True, responses=problems(404, 422, 503))
def show(request: Request, name: str) -> dict[str, Any]:
    """One dataset, with its classes and settings."""
    return dataset_out(*parts_of(request).registry.content(name))


@router.put(
    "/{name}",
    response_model=DatasetOut,
    response_model_exclude_unset=True,
    responses={201: BUILT, 202: BUILDING, **problems(400, 413, 415, 422, 503)},
)
def replace(request: Request, response: Response, name: str, body: DatasetPut) -> dict[str, Any]:
    """Register or replace. A long list goes on answering in its old version until the new one is built.

    Kept versions stay, also those of other classes, and answer where `dataset_version` names them.
    """
    if body.name not in (None, name):
        raise InvalidFields(FieldProblem("name", f"must be {name!r}, as in the address, or be left out"))
    registry = parts_of(request).registry
    exemplars = Exemplars.read(body.images, parts_of(request).recognizer.limits.image)
    spec = body.spec(exemplars)
    info, is_new = registry.register(name, spec, replace=True, pictures=exemplars.data)
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
    settings = {field.name: getattr(spec, field.name) for field in fields(spec)}
    shown = {
        "classes": [_class_out(entry) for entry in spec.classes],
        "priors": {attribute: _prior_out(prior) for attribute, prior in spec.priors.items()},
        "calibration": None if spec.calibration == NEUTRAL else spec.calibration,
    }
    return {**_summary(info), **settings, **shown}


def _prior_out(prior: Prior) -> PriorOut:
    if prior.kind == "counts":
        return PriorOut(counts=prior.values, smoothing=prior.smoothing)
    return PriorOut(probabilities=prior.values, smoothing=prior.smoothing)


def _class_out(entry: ClassEntry) -> ClassOut:
    plain = {"name": entry.name, "prompts": list(entry.prompts)}
    if not entry.pictures:
        return ClassOut(**plain)
    return ClassOut(
        **plain, images=[reference_to(sha256) for sha256 in entry.pictures], image_weight=entry.picture_weight
    )
