"""The datasets of a service, for `AsyncClient`."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, Unpack

from service.client import calls
from service.client.building import POLL_S, Waiting, summary_of
from service.client.calls import Call, Labelled
from service.client.dataset_results import CalibrationReport, Dataset, DatasetSummary, DatasetVersion
from service.client.options import CalibrationOptions, DatasetOptions

Read = TypeVar("Read")


class Made(Protocol):
    def __call__(self, call: Call[Read]) -> Awaitable[Read]: ...


class AsyncDatasets:
    """As `Datasets`."""

    def __init__(self, made: Made) -> None:
        self._made = made

    async def list(self) -> tuple[DatasetSummary, ...]:
        return await self._made(calls.datasets())

    async def get(self, name: str) -> Dataset:
        return await self._made(calls.dataset(name))

    async def register(
        self,
        name: str,
        classes: Iterable[str | Mapping[str, Any]],
        *,
        wait: bool = False,
        progress: Callable[[float], None] | None = None,
        wait_s: float | None = None,
        **content: Unpack[DatasetOptions],
    ) -> Dataset:
        sent = await self._made(calls.register(name, calls.content(classes, content)))
        return await self._built(sent, Waiting.asked(wait, progress, wait_s))

    async def replace(
        self,
        name: str,
        classes: Iterable[str | Mapping[str, Any]],
        *,
        wait: bool = False,
        progress: Callable[[float], None] | None = None,
        wait_s: float | None = None,
        **content: Unpack[DatasetOptions],
    ) -> Dataset:
        sent = await self._made(calls.replace(name, calls.content(classes, content)))
        return await self._built(sent, Waiting.asked(wait, progress, wait_s))

    async def delete(self, name: str) -> None:
        await self._made(calls.delete(name))

    async def versions(self, name: str) -> tuple[DatasetVersion, ...]:
        return await self._made(calls.versions(name))

    async def use(self, name: str, version: str) -> DatasetVersion:
        return await self._made(calls.use(name, version))

    async def calibrate(
        self, name: str, items: Sequence[Labelled | Mapping[str, Any]], **options: Unpack[CalibrationOptions]
    ) -> CalibrationReport:
        return await self._made(calls.calibrate(name, items, options))

    async def built(
        self, dataset: Dataset, progress: Callable[[float], None] | None = None, wait_s: float | None = None
    ) -> Dataset:
        return await self._built(dataset, Waiting.asked(True, progress, wait_s))

    async def _built(self, dataset: Dataset, waiting: Waiting | None) -> Dataset:
        if waiting is None or not waiting.lasts(dataset):
            return dataset
        while waiting.lasts(summary_of(dataset.name, await self.list())):
            await asyncio.sleep(POLL_S)
        return await self._made(calls.dataset(dataset.name))
