"""Labelled pictures, or their embeddings, as calibration takes them."""

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.api.bodies import from_base64
from service.calibration import Samples
from service.datasets.records import Dataset
from service.errors import FieldProblem, ImageError, InvalidFields
from service.lines import Line
from service.models.ports import Floats
from service.recognition.answers import box_score
from service.recognition.fusion import DEFAULT_FUSION
from service.recognition.scoring import unit
from service.recognition.views import FULL, VIEWS
from service.recognizer import Recognizer
from service.stages.options import Options
from service.stages.sampling import places_of, samples_of

MOST_ITEMS = 100_000
MOST_LOGITS = 200_000_000  # 800 MB of float32
AT_A_TIME = 8
MOST_NUMBERS = 100_000  # of a vector: beyond that it is not looked at
Vector = str | Annotated[list[float], Field(max_length=MOST_NUMBERS, fail_fast=True)]


class ItemIn(BaseModel):
    """A picture of a class, or (`label` null) of none of them: itself, or the embeddings that `/classify` gave."""

    model_config = ConfigDict(extra="forbid")

    label: str | None
    image: str | None = Field(None, description="Base64, or a data URI.")
    embeddings: dict[str, Vector] | None = Field(
        None, description="For each view base64 of little-endian float32, or a list of numbers."
    )
    box_score: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None,
        description="The box's, with embeddings; 0 where nothing was found. It counts where a branch is made with it.",
    )


@dataclass(frozen=True, eq=False)
class _Seen:
    """An item's embeddings by view, and its box's score."""

    views: Mapping[str, Floats]
    box_score: float | None


async def read_samples(
    items: Sequence[ItemIn], branches: Sequence[str], dataset: Dataset, recognizer: Recognizer, line: Line
) -> Samples:
    """What the items say in these branches; pictures are looked at, a few at a time, and compared with the classes in
    `line`.

    Raises:
        InvalidFields: naming the bad items; before any picture is looked at, but for pictures that cannot be read.
    """
    _check_size(len(items), len(branches), len(dataset.labels))
    truth = await asyncio.to_thread(places_of, [item.label for item in items], dataset)
    given = await asyncio.to_thread(_given, items, dataset.prototypes.shape[1])
    seen = await _looked_at(given, branches, dataset, recognizer)
    kept = [item.views for item in seen]
    boxed = any(VIEWS[name].needs_box for name in branches)  # else no box would be looked for when answering
    scores = [item.box_score if boxed else None for item in seen]
    scale = recognizer.encoder.logit_scale
    return await line.run(samples_of, kept, scores, truth, branches, dataset, scale)


def _check_size(items: int, branches: int, classes: int) -> None:
    """Raises InvalidFields where the logits of all items would take too much memory."""
    if items * branches * classes > MOST_LOGITS:
        detail = f"{items} in {branches} branches against {classes} classes are more than {MOST_LOGITS} logits; send "
        raise InvalidFields(FieldProblem("items", f"{detail}at most {MOST_LOGITS // (branches * classes)}"))


async def _looked_at(
    given: Sequence[_Seen | bytes], branches: Sequence[str], dataset: Dataset, recognizer: Recognizer
) -> list[_Seen]:
    """The items in their order. Raises InvalidFields, naming a picture that cannot be read."""
    options = Options(branches=(*dict.fromkeys((FULL, *branches)),), top_k=1, fusion=DEFAULT_FUSION, embeddings=True)
    spec = await asyncio.to_thread(replace, dataset.spec, cascade=None)  # every view is to be seen
    whole = replace(dataset, spec=spec)
    places = asyncio.Semaphore(AT_A_TIME)

    async def one(number: int, item: _Seen | bytes) -> _Seen:
        if isinstance(item, _Seen):
            return item
        async with places:
            try:
                answer = await recognizer.recognize(item, whole, options)
            except ImageError as error:
                raise InvalidFields(FieldProblem(f"items[{number}].image", error.detail)) from None
        best = answer.detections[0].score if answer.detections else None
        return _Seen(answer.embeddings or {}, box_score(answer.fallback, best))

    looking = [asyncio.ensure_future(one(number, item)) for number, item in enumerate(given)]
    try:
        return await asyncio.gather(*looking)
    finally:
        for task in looking:  # the first bad picture ends the rest
            task.cancel()


def _given(items: Sequence[ItemIn], length: int) -> list[_Seen | bytes]:
    """Each item's embeddings, or its picture. Raises InvalidFields, naming every bad one."""
    given: list[_Seen | bytes] = []
    problems: list[FieldProblem] = []
    for number, item in enumerate(items):
        field = f"items[{number}]"
        try:
            if (item.image is None) == (item.embeddings is None):
                raise InvalidFields(FieldProblem(field, "needs either image or embeddings"))
            if item.embeddings is None:
                given.append(from_base64(f"{field}.image", item.image))
            else:
                given.append(_Seen(_embeddings(field, item.embeddings, length), item.box_score))
        except InvalidFields as error:
            problems.extend(error.problems)
    if problems:
        raise InvalidFields(*problems[:50])
    return given


def _embeddings(field: str, given: Mapping[str, Vector], length: int) -> dict[str, Floats]:
    unknown = [name for name in given if name not in VIEWS]
    if unknown:
        raise InvalidFields(FieldProblem(f"{field}.embeddings", f"{unknown[0]!r} is no view", tuple(VIEWS)))
    if FULL not in given:
        raise InvalidFields(FieldProblem(f"{field}.embeddings", "must hold that of the view full"))
    return {name: _vector(f"{field}.embeddings.{name}", vector, length) for name, vector in given.items()}


def _vector(field: str, given: Vector, length: int) -> Floats:
    try:
        row: Any = np.frombuffer(base64.b64decode(given, validate=True), "<f4") if isinstance(given, str) else given
        with np.errstate(invalid="ignore"):  # what is no number is refused below
            vector = np.asarray(row, np.float64)
    except (binascii.Error, ValueError, OverflowError):
        raise InvalidFields(FieldProblem(field, "is not base64 of float32")) from None
    if vector.shape != (length,) or not np.isfinite(vector).all() or not np.abs(vector).max() > 0:
        raise InvalidFields(FieldProblem(field, f"must hold {length} finite numbers, not all of them 0"))
    return unit(vector / np.abs(vector).max())
