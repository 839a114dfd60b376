"""`AsyncClient`: a service, asked from an event loop of asyncio."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, TypeVar, Unpack

import httpx

from service.client import calls
from service.client.awaiting_datasets import AsyncDatasets
from service.client.bounding import LATE
from service.client.calls import Call
from service.client.connecting import DEFAULT_URL, Connection, Timeouts
from service.client.dataset_results import Models
from service.client.options import ClassifyOptions
from service.client.pictures import Picture
from service.client.results import Answer, Outcome
from service.client.retrying import Attempts, Retries
from service.client.several import Progress, by_tasks

Read = TypeVar("Read")
Asked = TypeVar("Asked", bound=Picture)
AFTER_S = 0.1  # limits of httpx's own, which tell what was waited for, come first


class AsyncClient:
    """As `Client`; tasks may share it. `async with AsyncClient(url) as client:` closes it, as `close` does."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        key: str | None = None,
        timeouts: Timeouts | None = None,
        retries: Retries | None = None,
        connections: int = 100,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._connection = Connection.to(url, key, timeouts, retries)
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._http = httpx.AsyncClient(limits=limits, transport=transport)
        self.datasets = AsyncDatasets(self.made)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def classify(
        self, picture: Picture, *, deadline_s: float | None = None, **options: Unpack[ClassifyOptions]
    ) -> Answer:
        """As `Client.classify`; files are read in a thread."""
        call = await asyncio.to_thread(calls.classify, picture, options)
        return await self.made(call, deadline_s)

    def classify_many(
        self,
        pictures: Iterable[Asked],
        *,
        concurrency: int = 8,
        ordered: bool = True,
        progress: Progress | None = None,
        deadline_s: float | None = None,
        **options: Unpack[ClassifyOptions],
    ) -> AsyncIterator[Outcome[Asked]]:
        """As `Client.classify_many`, to be iterated with `async for`."""

        async def ask(picture: Asked) -> Answer:
            return await self.classify(picture, deadline_s=deadline_s, **options)

        return by_tasks(ask, pictures, concurrency, ordered, progress)

    async def models(self) -> Models:
        """What is loaded, and the names that may be used."""
        return await self.made(calls.models())

    async def made(self, call: Call[Read], deadline_s: float | None = None) -> Read:
        """The result of a call."""
        attempts = self._connection.attempts(deadline_s)
        while True:
            outcome = await self._once(call, attempts)
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return call.result(outcome)
            error, wait_s = self._connection.fate(call, attempts, outcome)
            if wait_s is None:
                raise error
            await asyncio.sleep(wait_s)

    async def _once(self, call: Call[Any], attempts: Attempts) -> httpx.Response | httpx.RequestError:
        request = self._connection.request(call, attempts)
        limit_s = self._connection.limit_s(call, attempts) + AFTER_S
        try:
            async with asyncio.timeout(limit_s), self._http.stream(**request) as response:
                await self._connection.bound(call, attempts, response).aread()
                return response
        except httpx.RequestError as error:
            return error
        except TimeoutError:
            return httpx.ReadTimeout(LATE)
