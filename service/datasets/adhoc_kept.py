"""Class lists of requests, held ready for whoever sends the same again, within a number of bytes."""

import sys
import threading
from collections import OrderedDict
from dataclasses import dataclass

from service.datasets.records import Dataset

CLASS_BYTES = 500  # of a class besides its texts: the entry, its tuples, its place in them


@dataclass(frozen=True)
class KeptState:
    """How much is kept, of how much at most, and how often a list was there when it was asked for."""

    entries: int
    bytes: int
    max_bytes: int
    hits: int
    misses: int


class KeptLists:
    """By version; the least recently used is forgotten first. What takes more than all of the space is not kept."""

    def __init__(self, max_bytes: int) -> None:
        """`max_bytes`: of prototypes and texts, as good as can be told; 0 keeps nothing."""
        self._max_bytes = max_bytes
        self._lists: OrderedDict[str, tuple[Dataset, int]] = OrderedDict()
        self._bytes = self._hits = self._misses = 0
        self._lock = threading.Lock()

    def get(self, version: str) -> Dataset | None:
        with self._lock:
            entry = self._lists.get(version)
            if entry is None:
                self._misses += 1
                return None
            self._hits += 1
            self._lists.move_to_end(version)
            return entry[0]

    def keep(self, dataset: Dataset) -> None:
        size = bytes_of(dataset)
        if size > self._max_bytes:
            return
        with self._lock:
            _, old = self._lists.pop(dataset.version, (None, 0))
            self._lists[dataset.version] = dataset, size
            self._bytes += size - old
            while self._bytes > self._max_bytes:
                _, (_, freed) = self._lists.popitem(last=False)
                self._bytes -= freed

    def state(self) -> KeptState:
        with self._lock:
            return KeptState(len(self._lists), self._bytes, self._max_bytes, self._hits, self._misses)


def bytes_of(dataset: Dataset) -> int:
    """Of its prototypes and of the texts that it was made from."""
    texts = [*dataset.labels, *dataset.spec.templates]
    texts += [prompt for entry in dataset.spec.classes for prompt in entry.prompts]
    return dataset.held_bytes + sum(map(sys.getsizeof, texts)) + CLASS_BYTES * len(dataset.labels)
