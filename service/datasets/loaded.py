"""Versions held in memory, ready to answer, within a bound on their prototypes' size."""

import threading
from collections import OrderedDict

from service.datasets.records import Dataset


class LoadedDatasets:
    """The most recently used versions; the one used last is held whatever its size."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._datasets: OrderedDict[str, Dataset] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._datasets)

    def get(self, version: str) -> Dataset | None:
        with self._lock:
            if version in self._datasets:
                self._datasets.move_to_end(version)
            return self._datasets.get(version)

    def keep(self, dataset: Dataset) -> None:
        forgotten = []  # let go of when nobody waits for it: a long list takes milliseconds
        with self._lock:
            if dataset.version not in self._datasets:
                self._bytes += dataset.held_bytes
            self._datasets[dataset.version] = dataset
            while len(self._datasets) > 1 and self._bytes > self._max_bytes:
                forgotten.append(self._datasets.popitem(last=False)[1])
                self._bytes -= forgotten[-1].held_bytes
