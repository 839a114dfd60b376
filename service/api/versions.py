"""The kept versions of a dataset, and which of them answers."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from service.api.dataset_schemas import DatasetVersion, DatasetVersions
from service.api.examples import problems
from service.api.state import parts_of
from service.datasets.kept import LEAST_PREFIX

router = APIRouter(prefix="/datasets", tags=["datasets"])


class CurrentIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: str = Field(description=f"One of the dataset's versions, or its first {LEAST_PREFIX} or more characters.")


@router.get("/{name}/versions", response_model=DatasetVersions, responses=problems(404, 422, 503))
def versions(request: Request, name: str) -> dict[str, Any]:
    """The version that answers and those kept besides, newest first."""
    return {"versions": [vars(info) for info in parts_of(request).registry.versions(name)]}


@router.put(
    "/{name}/current", response_model=DatasetVersion, responses=problems(400, 404, 408, 409, 413, 415, 422, 503, 507)
)
def activate(request: Request, name: str, body: CurrentIn) -> dict[str, Any]:
    """Let a kept version answer. The one that answered before is kept; a list that is still being built is given up."""
    return vars(parts_of(request).registry.activate(name, body.version))
