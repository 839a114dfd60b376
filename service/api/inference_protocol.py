"""The Open Inference Protocol's (KServe V2) addresses for health and metadata: each dataset is one of its models.

Pictures go to `/classify`: the protocol's tensors have no place for what is asked and answered there.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel

import service
from service.api.examples import problems
from service.api.problems import MEDIA_TYPE, problem_of, problem_response
from service.api.state import parts_of, state_of
from service.errors import DatasetBuildFailed, DatasetBuilding, EncoderUnavailable, ServiceError

PLATFORM = "l2r2"
ONE = [1]
NOT_NOW = (DatasetBuilding, DatasetBuildFailed, EncoderUnavailable)


class LiveOut(BaseModel):
    live: bool


class ReadyOut(LiveOut):
    """The protocol's text says `live`, its servers say `ready`."""

    ready: bool


class ServerOut(BaseModel):
    name: str
    version: str
    extensions: list[str]


class TensorOut(BaseModel):
    """`shape` with -1 for what may have any size."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadataOut(BaseModel):
    """`versions` are those that `dataset_version` of `/classify` may name, the newest first."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorOut]
    outputs: list[TensorOut]


class ModelReadyOut(BaseModel):
    name: str
    ready: bool


class _ProtocolRoute(APIRoute):
    """Its refusals hold `error` besides, as the protocol wants it."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handle = super().get_route_handler()

        async def handle_with_error(request: Request) -> Response:
            try:
                return await handle(request)
            except ServiceError as error:
                headers = dict(problem_response(error).headers)
                headers.pop("content-length")
                return JSONResponse(
                    {**problem_of(error), "error": error.detail}, error.status, headers, media_type=MEDIA_TYPE
                )

        return handle_with_error


router = APIRouter(prefix="/v2", tags=["open inference protocol"], route_class=_ProtocolRoute)
NOT_LIVE: dict[int | str, dict[str, Any]] = {503: {"model": LiveOut, "description": "Only a new process can help"}}
NOT_READY: dict[int | str, dict[str, Any]] = {503: {"model": ReadyOut, "description": "Not able to answer"}}
MODEL_NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {**problems(503)[503], "model": ModelReadyOut, "description": "Being built, or not able to answer"}
}


@router.get("/", include_in_schema=False)
@router.get("", response_model=ServerOut)
async def server() -> dict[str, Any]:
    """The server's metadata."""
    return {"name": "L2R2", "version": service.__version__, "extensions": []}


@router.head("/health/live", include_in_schema=False)
@router.get("/health/live", response_model=LiveOut, responses=NOT_LIVE)
async def live(request: Request) -> JSONResponse:
    """As `/livez`."""
    dead = state_of(request).dead_because() is not None
    return JSONResponse({"live": not dead}, 503 if dead else 200)


@router.head("/health/ready", include_in_schema=False)
@router.get("/health/ready", response_model=ReadyOut, responses=NOT_READY)
async def ready(request: Request) -> JSONResponse:
    """As `/readyz`."""
    state = state_of(request)
    is_ready = state.unready_because() is None
    return JSONResponse({"live": state.dead_because() is None, "ready": is_ready}, 200 if is_ready else 503)


@router.get("/models/{name}", response_model=ModelMetadataOut, responses=problems(404, 422, 503))
async def model(request: Request, name: str) -> dict[str, Any]:
    """A dataset's metadata: a picture in, a label and how sure it is out."""
    found = await asyncio.to_thread(parts_of(request).registry.versions, name)
    return {
        "name": name,
        "versions": [info.version for info in found],
        "platform": PLATFORM,
        "inputs": [{"name": "image", "datatype": "BYTES", "shape": ONE}],
        "outputs": [
            {"name": "label", "datatype": "BYTES", "shape": ONE},
            {"name": "confidence", "datatype": "FP32", "shape": ONE},
        ],
    }


@router.get("/models/{name}/ready", response_model=ModelReadyOut, responses={**problems(404, 422), **MODEL_NOT_READY})
async def model_ready(request: Request, name: str) -> JSONResponse:
    """Whether the dataset can answer now."""
    state = state_of(request)
    is_ready = state.unready_because() is None
    try:
        if state.parts is not None:
            await asyncio.to_thread(state.parts.registry.lookup, name)
    except NOT_NOW:
        is_ready = False
    return JSONResponse({"name": name, "ready": is_ready}, 200 if is_ready else 503)
