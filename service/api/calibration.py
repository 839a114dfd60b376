"""POST /datasets/{name}/calibration: what the fusions can learn from labelled pictures, as a further version."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field

from service.api.calibration_items import MOST_ITEMS, ItemIn, read_samples
from service.api.dataset_content import checked
from service.api.disconnect import unless_gone
from service.api.examples import problems
from service.api.late_json import LateRoute, Unchecked, Unparsed
from service.api.state import Parts, parts_of
from service.calibration import CalibrationReport, FitOptions, Samples, calibrate
from service.calibration.options import TEMPERATURE_KINDS
from service.datasets.checks import branch_problems
from service.datasets.records import Dataset
from service.datasets.spec import DatasetSpec
from service.errors import FieldProblem, InvalidFields
from service.recognition.abstention import ABSTAIN_BY
from service.recognition.fusion import FUSIONS
from service.recognition.views import VIEWS

router = APIRouter(prefix="/datasets", tags=["datasets"], route_class=LateRoute)
EXAMPLE: dict[str, Any] = {
    "items": [{"label": "beagle", "image": "data:image/jpeg;base64,/9j/4AAQSkZJRg..."}],
    "fusion": "best",
    "activate": False,
}


class CalibrationIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": EXAMPLE})

    items: list[ItemIn] = Field(max_length=MOST_ITEMS, description="Labelled pictures, or embeddings of them.")
    branches: list[str] | None = Field(
        None, description=f"Views to be fused, of {', '.join(VIEWS)}; by default those that answer."
    )
    fusion: str | None = Field(
        None, description=f"Fusion to answer with: {', '.join(FUSIONS)}, or `best` of them; by default the dataset's."
    )
    temperatures: str = Field("branch", description=f"One for each: {', '.join(TEMPERATURE_KINDS)}.")
    learn: bool = Field(True, description="Fit the learnt fusions too.")
    validation_share: float = Field(0.5, description="Part of the pictures that is held out to measure.")
    keep_right: float = Field(0.95, description="Part of the right answers that abstention must leave.")
    abstain_by: str = Field("presence", description=f"What abstention looks at: {', '.join(ABSTAIN_BY)}.")
    abstain: bool = Field(
        False,
        description="Let the new version abstain below the level that was found; else it never abstains, as the "
        "dataset's own level was found for other answers.",
    )
    seed: int = Field(0, description="Of the division into pictures to fit and pictures held out.")
    activate: bool = Field(False, description="Let the new version answer at once.")


class MethodOut(BaseModel):
    """On the pictures held out, without and with the calibration."""

    method: str
    accuracy_before: float
    accuracy_after: float
    ece_before: float
    ece_after: float


class CalibrationOut(BaseModel):
    """`version` may be named by `dataset_version`, or be made the one that answers. `refused` says what was not fitted,
    and why; `answered_none` is the share of the pictures of none of the classes that would be answered all the same."""

    name: str
    version: str
    base_version: str
    current: bool
    fusion: str
    branches: list[str]
    abstain_by: str
    abstain_below: float
    kept_right: float
    answered_none: float | None
    methods: list[MethodOut]
    fit_count: int
    validation_count: int
    refused: dict[str, str]
    seed: int


NewCalibration = Annotated[Any, Unchecked(CalibrationIn), Body()]


@router.post(
    "/{name}/calibration",
    status_code=201,
    response_model=CalibrationOut,
    responses=problems(400, 404, 408, 409, 413, 415, 422, 500, 503, 504, 507),
)
async def calibrate_dataset(request: Request, name: str, body: NewCalibration) -> dict[str, Any]:
    """Fit temperatures, thresholds, weights and learnt fusions to labelled pictures, and keep them as a further version
    of the dataset. What answers now changes only with `activate`."""
    parts = parts_of(request)
    async with AsyncExitStack() as held:  # who leaves while he waits keeps no place from others
        await unless_gone(request, held.enter_async_context(parts.calibrating.place()))
        return await _calibrate(request, parts, name, body)


async def _calibrate(request: Request, parts: Parts, name: str, body: Unparsed) -> dict[str, Any]:
    asked = await asyncio.to_thread(checked, CalibrationIn, body)
    dataset = await asyncio.to_thread(parts.registry.lookup, name)
    branches = _branches(asked, dataset, parts)
    options = _options(asked, dataset)
    work = read_samples(asked.items, branches, dataset, parts.recognizer, parts.calibrating)
    samples = await unless_gone(request, work)
    spec, note = await parts.calibrating.run(_calibrated, samples, dataset, options, asked)
    add = partial(parts.registry.add_version, base_version=dataset.version, note=note, activate=asked.activate)
    info = await parts.calibrating.run(add, name, spec)  # who waits for the database keeps no thread from look-ups
    document = {"name": name, "version": info.version, "base_version": dataset.version, "current": info.current}
    return {**note, **document, "branches": list(branches)}


def _calibrated(
    samples: Samples, dataset: Dataset, options: FitOptions, body: CalibrationIn
) -> tuple[DatasetSpec, dict[str, Any]]:
    """The further version's content, and what is written down of it."""
    report = calibrate(samples, dataset.labels, options)
    note = {**asdict(report), "abstain_by": body.abstain_by}
    del note["calibration"]
    return calibrated(dataset.spec, report, body), note


def calibrated(spec: DatasetSpec, report: CalibrationReport, body: CalibrationIn) -> DatasetSpec:
    """The dataset's content with what was found. Without `abstain` it never abstains: a level that it had was found for
    another fusion or other temperatures, and would leave out other answers now."""
    found = report.calibration
    level, by = (report.abstain_below, body.abstain_by) if body.abstain else (None, ABSTAIN_BY[0])
    return replace(
        spec,
        branches=found.branches,
        fusion=report.fusion,
        calibration=found,
        abstain_below=level,
        abstain_by=by,
    )


def _branches(body: CalibrationIn, dataset: Dataset, parts: Parts) -> tuple[str, ...]:
    own = dataset.spec.branches or dataset.spec.calibration.branches or parts.recognizer.usual_branches
    branches = own if body.branches is None else tuple(body.branches)
    problems = list(branch_problems("branches", branches))
    if problems:
        raise InvalidFields(*problems)
    return tuple(name for name in VIEWS if name in branches)  # in their order when answering


def _options(body: CalibrationIn, dataset: Dataset) -> FitOptions:
    kinds = {kind: kind for kind in TEMPERATURE_KINDS}
    if body.temperatures not in kinds:
        raise InvalidFields(FieldProblem("temperatures", f"{body.temperatures!r} is not known", TEMPERATURE_KINDS))
    return FitOptions(
        seed=body.seed,
        validation_share=body.validation_share,
        temperatures=kinds[body.temperatures],
        learn=body.learn,
        fusion=body.fusion,
        keep_right=body.keep_right,
        default_fusion=dataset.spec.fusion,
        abstain_by=body.abstain_by,
    )
