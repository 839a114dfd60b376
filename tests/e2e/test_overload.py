"""More than can be served, and callers who leave, against a localizer that is held at a gate."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from timed_service import Brightness  # type: ignore[import-not-found]

from service.api import problems
from service.api.disconnect import unless_gone
from service.datasets.prototypes import unsaved_dataset
from service.datasets.records import Dataset
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import DeadlineExceeded, Overloaded, RequestTimeout
from service.models.batch_size import BatchSizes
from service.models.localizers.none import NoLocalizer
from service.models.ports import LocatorInput
from service.recognition.boxes import Box, Detection
from service.recognizer import Limits, Options, Recognizer

pytestmark = pytest.mark.anyio
WAIT_S = 20


class GatedLocalizer(NoLocalizer):
    name = "gated"

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.located = 0

    def locate(self, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
        self.entered.release()
        assert self.open.wait(WAIT_S)
        self.located += len(inputs)
        return [[Detection(Box(0, 0, entry.width, entry.height), 1.0)] for entry in inputs]


@pytest.fixture
def localizer() -> GatedLocalizer:
    return GatedLocalizer()


@pytest.fixture
async def recognizer(localizer: GatedLocalizer) -> AsyncIterator[Recognizer]:
    limits = Limits(
        max_batch=BatchSizes.all(2), max_waiting=6, threads=1, locate_timeout_s=WAIT_S, request_timeout_s=WAIT_S
    )
    started = Recognizer(localizer, Brightness(), limits)
    yield started
    localizer.open.set()
    await asyncio.to_thread(started.close)


@pytest.fixture
def dataset() -> Dataset:
    return unsaved_dataset(DatasetSpec((ClassEntry("bright"), ClassEntry("dark"))), Brightness().embed_texts)


async def test_more_than_may_wait_are_refused_and_the_others_answered(
    recognizer: Recognizer, localizer: GatedLocalizer, dataset: Dataset, photographs: dict[str, bytes]
) -> None:
    works = [recognizer.recognize(photographs["rocket"], dataset, Options()) for _ in range(20)]
    running = [asyncio.ensure_future(work) for work in works]
    assert await asyncio.to_thread(localizer.entered.acquire, True, WAIT_S)
    refused, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    assert {type(task.exception()) for task in refused} == {Overloaded}
    localizer.open.set()
    outcomes = await asyncio.gather(*running, return_exceptions=True)
    answered = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert len(answered) == 6
    assert sum(isinstance(outcome, Overloaded) for outcome in outcomes) == 14


async def test_a_caller_who_left_before_his_turn_costs_the_model_nothing(
    recognizer: Recognizer, localizer: GatedLocalizer, dataset: Dataset, photographs: dict[str, bytes]
) -> None:
    first = asyncio.ensure_future(recognizer.recognize(photographs["rocket"], dataset, Options()))
    assert await asyncio.to_thread(localizer.entered.acquire, True, WAIT_S)
    leaving = [asyncio.ensure_future(recognizer.recognize(photographs["rocket"], dataset, Options())) for _ in range(5)]
    while recognizer.health()["localizer"].waiting < 5:
        await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    await asyncio.wait(leaving)
    localizer.open.set()
    assert (await first).label in ("bright", "dark")
    assert localizer.located == 1
    assert (await recognizer.recognize(photographs["rocket"], dataset, Options())).fallback is None


async def test_a_box_that_comes_too_late_is_done_without(
    localizer: GatedLocalizer, dataset: Dataset, photographs: dict[str, bytes]
) -> None:
    hasty = Recognizer(localizer, Brightness(), Limits(locate_timeout_s=0.05, threads=1))
    answer = await hasty.recognize(photographs["rocket"], dataset, Options())
    assert (answer.fallback, answer.verdict.branch, answer.verdict.branches["fg"]) == ("timeout", "full", None)
    localizer.open.set()
    await asyncio.to_thread(hasty.close)


async def test_a_request_past_its_time_is_given_up(
    localizer: GatedLocalizer, dataset: Dataset, photographs: dict[str, bytes]
) -> None:
    slow = Recognizer(localizer, Brightness(), Limits(request_timeout_s=0.05, threads=1))
    with pytest.raises(DeadlineExceeded):
        await slow.recognize(photographs["rocket"], dataset, Options())
    localizer.open.set()
    await asyncio.to_thread(slow.close)


async def test_the_work_for_a_caller_who_disconnects_is_cancelled() -> None:
    app = FastAPI()
    problems.install(app)
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    @app.post("/work")
    async def route(request: Request) -> None:
        await request.body()
        await unless_gone(request, work())

    sent: list[Any] = []
    body = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if body:
            return body.pop()
        await started.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-length", b"0")]
    scope = {"type": "http", "method": "POST", "path": "/work", "headers": headers, "query_string": b""}
    await asyncio.wait_for(app(scope, receive, send), WAIT_S)
    assert cancelled.is_set()
    assert sent[0]["status"] == 499


async def test_a_caller_who_stays_gets_the_result() -> None:
    app = FastAPI()

    @app.post("/work")
    async def route(request: Request) -> int:
        await request.body()
        return await unless_gone(request, asyncio.sleep(0, 42))

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        assert (await client.post("/work", content=b"x")).json() == 42


async def test_a_caller_whose_body_does_not_come_is_told_so_while_the_work_goes_on() -> None:
    app = FastAPI()
    problems.install(app)

    @app.delete("/work")
    async def route(request: Request) -> None:
        await unless_gone(request, asyncio.Event().wait())

    async def receive() -> Any:
        raise RequestTimeout("no more of the body has come")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "DELETE", "path": "/work", "headers": [], "query_string": b""}
    await asyncio.wait_for(app(scope, receive, send), WAIT_S)
    assert sent[0]["status"] == 408
