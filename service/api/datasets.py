"""Registering, listing, replacing and deleting class lists."""

import asyncio
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from pydantic_core import to_json

from service.api.dataset_content import DatasetIn, DatasetPut, checked
from service.api.dataset_schemas import DatasetList, DatasetOut, DatasetSummary
from service.api.examples import DATASET_EXAMPLES, problems
from service.api.exemplars import Exemplars, reference_to
from service.api.in_line import in_line
from service.api.late_json import LateRoute, Unchecked, Unparsed
from service.api.state import Parts, parts_of
from service.datasets.records import DatasetInfo
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import FieldProblem, InvalidFields
from service.recognition.calibration import NEUTRAL
from service.recognition.priors import Prior

router = APIRouter(prefix="/datasets", tags=["datasets"], route_class=LateRoute)
BUILT = {"model": DatasetOut, "description": "Registered and ready"}
BUILDING = {"model": DatasetOut, "description": "Kept; prototypes are being built, see `status` and `progress`"}
NewDataset = Annotated[Any, Unchecked(DatasetIn), Body(openapi_examples=DATASET_EXAMPLES)]
OtherContent = Annotated[Any, Unchecked(DatasetPut), Body()]


@router.post(
    "",
    status_code=201,
    response_model=DatasetOut,
    responses={
        200: {"model": DatasetOut, "description": "The same content was registered before"},
        201: BUILT,
        202: BUILDING,
        **problems(400, 408, 409, 413, 415, 422, 503, 507),
    },
)
async def register(request: Request, body: NewDataset) -> Response:
    """Register a class list. The same content again changes nothing, even where it was calibrated since; other content
    under the same name is refused."""
    parts = parts_of(request)
    return await in_line(request, parts.changing, _register, parts, body)


def _register(parts: Parts, body: Unparsed) -> Response:
    registry = parts.registry
    content = checked(DatasetIn, body)
    exemplars = Exemplars.read(content.images, parts.check_picture)
    spec = content.spec(exemplars)
    info, is_new = registry.register(content.name, spec, replace=False, pictures=exemplars.data)
    status = _status(info, is_new)
    if is_new is None:  # it may have been calibrated or replaced since
        info, spec = registry.content(content.name)
    return _response(info, spec, status, {"Location": f"/datasets/{info.name}"})


@router.get("", response_model=DatasetList, responses=problems(503))
async def list_all(request: Request) -> Response:
    """All registered datasets, without their classes."""
    return await asyncio.to_thread(_list_all, parts_of(request))


def _list_all(parts: Parts) -> Response:
    return _json({"datasets": [_summary(info) for info in parts.registry.infos()]})


@router.get("/{name}", response_model=DatasetOut, responses=problems(404, 422, 503))
async def show(request: Request, name: str) -> Response:
    """One dataset, with its classes and settings."""
    return await asyncio.to_thread(_show, parts_of(request), name)


def _show(parts: Parts, name: str) -> Response:
    return _response(*parts.registry.content(name))


@router.put(
    "/{name}",
    response_model=DatasetOut,
    responses={201: BUILT, 202: BUILDING, **problems(400, 408, 413, 415, 422, 503, 507)},
)
async def replace(request: Request, name: str, body: OtherContent) -> Response:
    """Register or replace. A long list goes on answering in its old version until the new one is built.

    Kept versions stay, also those of other classes, and answer where `dataset_version` names them.
    """
    parts = parts_of(request)
    return await in_line(request, parts.changing, _replace, parts, name, body)


def _replace(parts: Parts, name: str, body: Unparsed) -> Response:
    content = checked(DatasetPut, body)
    if content.name not in (None, name):
        raise InvalidFields(FieldProblem("name", f"must be {name!r}, as in the address, or be left out"))
    exemplars = Exemplars.read(content.images, parts.check_picture)
    spec = content.spec(exemplars)
    info, is_new = parts.registry.register(name, spec, replace=True, pictures=exemplars.data)
    return _response(info, spec, _status(info, is_new))


@router.delete("/{name}", status_code=204, responses=problems(404, 422, 503, 507))
async def delete(request: Request, name: str) -> None:
    """Delete a dataset and what only it used."""
    parts = parts_of(request)
    await in_line(request, parts.changing, parts.registry.delete, name)


def _status(info: DatasetInfo, is_new: bool | None) -> int:
    if info.status != "ready":
        return 202
    return 201 if is_new else 200


def _summary(info: DatasetInfo) -> dict[str, Any]:
    return {name: getattr(info, name) for name in DatasetSummary.model_fields}


def _response(
    info: DatasetInfo, spec: DatasetSpec, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """In one pass: a list may hold 100,000 classes."""
    return _json(dataset_out(info, spec), status, headers)


def _json(document: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_json(document), status, headers, media_type="application/json")


def dataset_out(info: DatasetInfo, spec: DatasetSpec) -> dict[str, Any]:
    """Of the shape of `DatasetOut`, built without a validation."""
    settings = {field.name: getattr(spec, field.name) for field in fields(spec)}
    shown = {
        "classes": [_class_out(entry) for entry in spec.classes],
        "priors": {attribute: _prior_out(prior) for attribute, prior in spec.priors.items()},
        "calibration": None if spec.calibration == NEUTRAL else spec.calibration,
    }
    return {**_summary(info), **settings, **shown}


def _prior_out(prior: Prior) -> dict[str, Any]:
    return {prior.kind: prior.values, "smoothing": prior.smoothing}


def _class_out(entry: ClassEntry) -> dict[str, Any]:
    plain = {"name": entry.name, "prompts": entry.prompts}
    if not entry.pictures:
        return plain
    pictures = [reference_to(sha256) for sha256 in entry.pictures]
    return {**plain, "images": pictures, "image_weight": entry.picture_weight}
