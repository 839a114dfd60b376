"""POST /classify and /classify/batch."""

import asyncio
import logging
from typing import Any

from fastapi import APIRouter, Request, Response

from service.api.bodies import read_classify
from service.api.classify_bodies import CLASSIFY_BATCH_BODY, CLASSIFY_BODY
from service.api.compared import Compared, compared_with
from service.api.deadlines import promising_deadline
from service.api.disconnect import unless_gone
from service.api.examples import problems
from service.api.pictures import Picture, Source
from service.api.problems import problem_of
from service.api.schemas import BatchOut, RecognitionOut
from service.api.state import Parts, parts_of, state_of
from service.api.wire import json_response, recognition_out
from service.errors import DeadlineExceeded, ModelFailed, ServiceError
from service.observing.observer import Observer
from service.stages.admission import Deadline
from service.stages.options import Options
from service.telemetry import request_id

router = APIRouter(tags=["classify"])
log = logging.getLogger(__name__)
FAULTS = problems(400, 404, 408, 409, 413, 415, 422, 500, 503, 504)


@router.post(
    "/classify",
    response_model=RecognitionOut,
    responses=FAULTS,
    openapi_extra=CLASSIFY_BODY,
)
async def classify(request: Request) -> Response:
    """Recognize one picture: multipart with a file `image`, a raw `image/*` body with query parameters, or JSON with
    base64. Where fetching is on, `image_url` may take the place of `image`. It is compared with a registered `dataset`
    or with the request's own `classes`."""
    parts, observer = parts_of(request), state_of(request).observer
    deadline = promising_deadline(request)
    asked = await read_classify(request, most_images=1)
    source = Source(asked.images, state_of(request).fetcher)
    options = asked.fields.options(state_of(request).settings.max_top_k)

    async def work() -> dict[str, Any]:
        compared = await compared_with(parts, asked.fields, deadline)
        parts.recognizer.admission.judge(1, deadline.left_s)
        return await _one(parts, source, asked.images[0], compared, options, deadline, observer)

    return json_response(await unless_gone(request, work()))


@router.post("/classify/batch", response_model=BatchOut, responses=FAULTS, openapi_extra=CLASSIFY_BATCH_BODY)
async def classify_batch(request: Request) -> Response:
    """Recognize several pictures (files or base64 strings `images`, or addresses `image_urls` where fetching is on):
    for each an answer or an error of its own."""
    parts, settings, observer = parts_of(request), state_of(request).settings, state_of(request).observer
    deadline = promising_deadline(request)
    asked = await read_classify(request, settings.max_batch_images, plural=True)
    source = Source(asked.images, state_of(request).fetcher)
    options = asked.fields.options(settings.max_top_k)

    async def work() -> list[dict[str, Any] | BaseException]:
        compared = await compared_with(parts, asked.fields, deadline)
        parts.recognizer.admission.judge(len(asked.images), deadline.left_s)
        works = [_one(parts, source, image, compared, options, deadline, observer) for image in asked.images]
        return await asyncio.gather(*works, return_exceptions=True)

    outcomes = await unless_gone(request, work())
    results = [_item(index, outcome, observer) for index, outcome in enumerate(outcomes)]
    return json_response({"request_id": request_id.get(), "results": results})


def _item(index: int, outcome: dict[str, Any] | BaseException, observer: Observer) -> dict[str, Any]:
    """One picture's place in a batch answer: whatever went wrong with it leaves the others alone."""
    if isinstance(outcome, dict):
        return {"index": index, "result": outcome}
    if not isinstance(outcome, ServiceError):
        log.error("a picture of a batch crashed", exc_info=outcome)
        outcome = ModelFailed("an unexpected fault with this picture; the log has it under this request id")
    observer.problem(outcome)
    return {"index": index, "error": problem_of(outcome)}


async def _one(
    parts: Parts,
    source: Source,
    image: Picture,
    compared: Compared,
    options: Options,
    deadline: Deadline,
    observer: Observer,
) -> dict[str, Any]:
    recognizer, dataset = parts.recognizer, compared.dataset
    with observer.picture(compared.name) as take:
        try:
            async with asyncio.timeout(deadline.left_s), source.opened(image) as data:
                with recognizer.admission.place(deadline) as place:
                    recognition = await recognizer.recognize(data, dataset, options, place)
        except TimeoutError:
            raise DeadlineExceeded(f"no answer within {deadline.timeout_s:g} s") from None
        models = (recognizer.localizer, recognizer.encoder)
        document = recognition_out(recognition, compared.name, dataset.version, models, request_id.get() or "")
        take(recognition)
        return document
