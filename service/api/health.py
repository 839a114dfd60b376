"""Probes, and what is loaded."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

import service
from service.api.examples import problems
from service.api.schemas import Health, HealthDetail, ModelsOut
from service.api.state import parts_of, state_of
from service.models.catalog import PROFILES, Model
from service.recognition.fusion import FUSIONS
from service.recognition.views import VIEWS
from service.stages.memory import MemoryState

router = APIRouter(tags=["service"])
PARTS = ("localizer", "segmenter", "encoder")
UNAVAILABLE: dict[int | str, dict[str, Any]] = {503: {"model": Health, "description": "Not able to answer"}}


@router.head("/livez", include_in_schema=False)
@router.get("/livez", response_model=Health, responses=UNAVAILABLE)
async def livez(request: Request) -> JSONResponse:
    """Whether the process is worth keeping: loading or loaded, and not beyond help."""
    return _health(state_of(request).dead_because())


@router.head("/startupz", include_in_schema=False)
@router.get("/startupz", response_model=Health, responses=UNAVAILABLE)
async def startupz(request: Request) -> JSONResponse:
    """Whether the start is over: models and prototypes loaded, and a real inference passed."""
    state = state_of(request)
    return _health(None if state.parts is not None else state.unready_because())


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_model=Health, responses=UNAVAILABLE)
async def readyz(request: Request) -> JSONResponse:
    """Whether requests should come here: loaded, not stopping, no model call stuck or failing, and what was last seen
    of every model, if only with a picture of our own, went well."""
    return _health(state_of(request).unready_because())


@router.get("/healthz", response_model=HealthDetail, responses={503: {"model": HealthDetail}})
async def healthz(request: Request) -> JSONResponse:
    """As `/readyz`, with the state of the workers and of the caches."""
    state = state_of(request)
    reason = state.unready_because()
    document: dict[str, Any] = {"status": "unavailable" if reason else "ok", "reason": reason}
    document["version"] = service.__version__
    if state.parts is not None:
        workers = state.parts.health()
        document["workers"] = {name: vars(worker) for name, worker in workers.items()}
        document["cache"] = _cache(state.parts.recognizer.memory())
        document["class_lists"] = vars(state.parts.adhoc.state())
    return JSONResponse(document, 503 if reason else 200)


@router.get("/models", response_model=ModelsOut, responses=problems(503))
async def models(request: Request) -> dict[str, Any]:
    """The loaded models, and the names that requests and settings may use."""
    parts, settings = parts_of(request), state_of(request).settings
    recognizer = parts.recognizer
    threshold, segmenter = settings.box_threshold, parts.engine.segmenter_row
    return {
        "profile": settings.profile,
        "device": str(parts.engine.hardware),
        "localizer": _model(parts.engine.localizer_row, recognizer.localizer.revision),
        "segmenter": segmenter and _model(segmenter, recognizer.segmenter.revision if recognizer.segmenter else ""),
        "encoder": _model(parts.engine.encoder_row, recognizer.encoder.revision),
        "box_threshold": recognizer.localizer.default_threshold if threshold is None else threshold,
        "box_margin": settings.box_margin,
        "pad_colour": "#{:02x}{:02x}{:02x}".format(*recognizer.encoder.pad_colour),
        "max_body_bytes": settings.max_body_bytes,
        "usual_branches": list(recognizer.usual_branches),
        "branches": {name: view.summary for name, view in VIEWS.items()},
        "fusions": {name: fusion.summary for name, fusion in FUSIONS.items()},
        "profiles": {row.name: {name: getattr(row, name) for name in PARTS} for row in PROFILES.values()},
    }


def _model(row: Model, revision: str) -> dict[str, Any]:
    names = ("name", "family", "licence", "note")
    return {name: getattr(row, name) for name in names} | {"revision": revision}


def _cache(memory: MemoryState) -> dict[str, Any]:
    kept = {"entries": memory.entries, "bytes": memory.bytes, "max_bytes": memory.max_bytes}
    return kept | {str(kind): vars(counts) for kind, counts in memory.lookups.items()}


def _health(reason: str | None) -> JSONResponse:
    return JSONResponse({"status": "unavailable" if reason else "ok", "reason": reason}, 503 if reason else 200)
