"""The kept versions of a dataset, and which of them answers."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field

from service.api.dataset_content import checked
from service.api.dataset_schemas import DatasetVersion, DatasetVersions
from service.api.examples import problems
from service.api.in_line import in_line
from service.api.late_json import LateRoute, Unchecked, Unparsed
from service.api.state import Parts, parts_of
from service.datasets.kept import LEAST_PREFIX
from service.datasets.records import VersionInfo

router = APIRouter(prefix="/datasets", tags=["datasets"], route_class=LateRoute)


class CurrentIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: str = Field(description=f"One of the dataset's versions, or its first {LEAST_PREFIX} or more characters.")


Current = Annotated[Any, Unchecked(CurrentIn), Body()]


@router.get("/{name}/versions", response_model=DatasetVersions, responses=problems(404, 422, 503))
async def versions(request: Request, name: str) -> dict[str, Any]:
    """The version that answers and those kept besides, newest first."""
    return {"versions": [vars(info) for info in await asyncio.to_thread(parts_of(request).registry.versions, name)]}


@router.put(
    "/{name}/current", response_model=DatasetVersion, responses=problems(400, 404, 408, 409, 413, 415, 422, 503, 507)
)
async def activate(request: Request, name: str, body: Current) -> dict[str, Any]:
    """Let a kept version answer. The one that answered before is kept; a list that is still being built is given up."""
    parts = parts_of(request)
    return vars(await in_line(request, parts.changing, _activate, parts, name, body))


def _activate(parts: Parts, name: str, body: Unparsed) -> VersionInfo:
    return parts.registry.activate(name, checked(CurrentIn, body).version)
