"""The datasets of a service, for `Client`."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, Unpack

from service.client import calls
from service.client.building import POLL_S, Waiting, summary_of
from service.client.calls import Call, Labelled
from service.client.dataset_results import CalibrationReport, Dataset, DatasetSummary, DatasetVersion
from service.client.options import CalibrationOptions, DatasetOptions

Read = TypeVar("Read")


class Made(Protocol):
    def __call__(self, call: Call[Read]) -> Read: ...


class Datasets:
    """`wait`: until a long list's prototypes are built; `progress` is called with the part that is, 0 to 1; not longer
    than `wait_s`."""

    def __init__(self, made: Made, closing: threading.Event) -> None:
        self._made, self._closing = made, closing

    def list(self) -> tuple[DatasetSummary, ...]:
        return self._made(calls.datasets())

    def get(self, name: str) -> Dataset:
        return self._made(calls.dataset(name))

    def register(
        self,
        name: str,
        classes: Iterable[str | Mapping[str, Any]],
        *,
        wait: bool = False,
        progress: Callable[[float], None] | None = None,
        wait_s: float | None = None,
        **content: Unpack[DatasetOptions],
    ) -> Dataset:
        """Register a class list: names, or objects of `name`, `prompts`, `images` and `image_weight`. The same content
        again changes nothing.

        Raises:
            ConflictError: other content under that name; `replace` replaces it. Or it could not be built.
            TooLateError: not built within `wait_s`; it goes on.
        """
        sent = self._made(calls.register(name, calls.content(classes, content)))
        return self._built(sent, Waiting.asked(wait, progress, wait_s))

    def replace(
        self,
        name: str,
        classes: Iterable[str | Mapping[str, Any]],
        *,
        wait: bool = False,
        progress: Callable[[float], None] | None = None,
        wait_s: float | None = None,
        **content: Unpack[DatasetOptions],
    ) -> Dataset:
        """Register or replace; what was there answers until its successor is built. Raises as `register` but for other
        content."""
        sent = self._made(calls.replace(name, calls.content(classes, content)))
        return self._built(sent, Waiting.asked(wait, progress, wait_s))

    def delete(self, name: str) -> None:
        self._made(calls.delete(name))

    def versions(self, name: str) -> tuple[DatasetVersion, ...]:
        """Newest first."""
        return self._made(calls.versions(name))

    def use(self, name: str, version: str) -> DatasetVersion:
        """Let a kept version answer, named by 8 or more of its first characters."""
        return self._made(calls.use(name, version))

    def calibrate(
        self, name: str, items: Sequence[Labelled | Mapping[str, Any]], **options: Unpack[CalibrationOptions]
    ) -> CalibrationReport:
        """Fit the fusions to labelled pictures: pairs of label (None: of no class) and picture, or the API's items."""
        return self._made(calls.calibrate(name, items, options))

    def built(
        self, dataset: Dataset, progress: Callable[[float], None] | None = None, wait_s: float | None = None
    ) -> Dataset:
        """Wait until what was registered is built. Raises as `register`."""
        return self._built(dataset, Waiting.asked(True, progress, wait_s))

    def _built(self, dataset: Dataset, waiting: Waiting | None) -> Dataset:
        if waiting is None or not waiting.lasts(dataset):
            return dataset
        while waiting.lasts(summary_of(dataset.name, self.list())):
            if self._closing.wait(POLL_S):
                return dataset
        return self._made(calls.dataset(dataset.name))
