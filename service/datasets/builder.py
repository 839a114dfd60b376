"""Prototypes from class texts: small lists at once, long ones in the background, chunk by chunk and resumable."""

import logging
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.batching import Batcher, WorkerHealth
from service.datasets.build_store import BuildKey, BuildStore, Chunk
from service.datasets.prototypes import Embed, class_prototypes
from service.datasets.spec import DatasetSpec
from service.datasets.store import DatasetStore
from service.errors import DatabaseUnavailable, Overloaded

Floats = NDArray[np.float32]
FIRST_CHUNK_TEXTS = 16  # how fast the encoder is shows in the first chunk, which must be done within its lease
FIRST_LEASE_S = 30.0
LEAST_LEASE_S = 10.0
LEASES_IN_CHUNKS = 4  # a lease holds for so many chunks as the last one
LOOK_AGAIN_S = 0.5
MOST_WAITING = 100_000
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TextEncoder:
    """The part of an encoder that a dataset needs: its name, its revision, and unit embeddings `[N, D]` of texts."""

    name: str
    revision: str
    embed: Embed


class PrototypeBuilder:
    """Builds belong to texts, not to datasets: whatever dataset has the texts answers when their build is done.

    A build is held by a lease in the database, so that of several replicas and threads one does it.
    """

    def __init__(self, store: DatasetStore, builds: BuildStore, encoder: TextEncoder, chunk_texts: int) -> None:
        self._store, self._builds = store, builds
        self._encoder, self._chunk_texts = encoder, chunk_texts
        self._embedding = threading.Lock()
        self._queued: set[BuildKey] = set()
        self._queued_lock = threading.Lock()
        self._stopping = threading.Event()
        self._worker: Batcher[BuildKey, None] = Batcher(
            "prototype builder", self._build_queued, max_batch=1, max_waiting=MOST_WAITING
        )

    def close(self) -> None:
        """Stop after the present chunk; what is left is resumed at the next start."""
        self._stopping.set()
        self._worker.close()

    def health(self) -> WorkerHealth:
        return self._worker.health()

    def compute(self, spec: DatasetSpec) -> Floats:
        """All prototypes `[L, D]` of a list, in the calling thread."""
        gaps = gaps_of(spec, {}, self._chunk_texts)
        return np.concatenate([self._chunk(spec, start, stop).vectors for start, stop in gaps])

    def enqueue(self, key: BuildKey) -> None:
        """Build in the background; a build that waits already is not queued twice, one that others hold is left."""
        with self._queued_lock:
            if key in self._queued:
                return
            self._queued.add(key)
        try:
            self._worker.submit(key).add_done_callback(lambda _future: self._queued.discard(key))
        except Overloaded:
            self._queued.discard(key)
            raise

    def build(self, key: BuildKey, *, wait: bool) -> None:
        """Build what is missing, in the calling thread. Where another is at it: `wait` for it, or leave it alone."""
        owner = uuid.uuid4().hex  # of this call: threads of one process exclude each other too
        while not self._stopping.is_set():
            row = self._builds.build(key)
            if row is not None and row.ready:
                self._builds.begin(key, row.class_count)  # whoever still waits for it
            if row is not None and (row.ready or row.failure):
                return
            if row is None or row.lease_until < time.time():
                spec = self._store.spec_of_texts(key.texts_key)
                if spec is None:
                    return
                self._builds.begin(key, len(spec.classes))
                if self._builds.claim(key, owner, FIRST_LEASE_S):
                    self._build_claimed(key, spec, owner)
                    return
            if not wait:  # another is at it, and a list of 100,000 classes was not read to find that out
                return
            self._stopping.wait(LOOK_AGAIN_S)

    def _build_queued(self, keys: Sequence[BuildKey]) -> list[None]:
        for key in keys:
            self.build(key, wait=False)
        return [None] * len(keys)

    def _build_claimed(self, key: BuildKey, spec: DatasetSpec, owner: str) -> None:
        try:
            for start, stop in gaps_of(spec, self._builds.chunk_sizes(key), self._chunk_texts):
                if self._stopping.is_set():
                    return
                started_s = time.monotonic()
                chunk = self._chunk(spec, start, stop)
                lease_s = max(LEAST_LEASE_S, LEASES_IN_CHUNKS * (time.monotonic() - started_s))
                if not self._builds.add_chunk(key, chunk, owner, lease_s):
                    log.info("a build was given up", extra={"texts": key.texts_key})
                    return
            log.info("a dataset was built", extra={"texts": key.texts_key, "classes": len(spec.classes)})
        finally:
            error = sys.exception()
            lost = error is None or isinstance(error, DatabaseUnavailable)  # not the texts' fault: to be tried again
            with suppress(DatabaseUnavailable):
                self._builds.release(key, owner, None if lost else f"{type(error).__name__}: {error}")

    def _chunk(self, spec: DatasetSpec, start: int, stop: int) -> Chunk:
        with self._embedding:
            return Chunk(start, class_prototypes(spec, spec.classes[start:stop], self._encoder.embed))


def gaps_of(spec: DatasetSpec, stored: Mapping[int, int], chunk_texts: int) -> Iterator[tuple[int, int]]:
    """`start, stop` of the classes that no chunk in `stored` (first class to class count) holds, in pieces of about
    `chunk_texts` texts, the first smaller. Pieces stored with another size are kept."""
    starts = sorted(stored)
    start, most_texts = 0, min(chunk_texts, FIRST_CHUNK_TEXTS)
    while start < len(spec.classes):
        if start in stored:
            start += stored[start]
            continue
        limit = next((first for first in starts if first > start), len(spec.classes))
        stop, texts = start, 0
        while stop < limit and (stop == start or texts + spec.text_count(spec.classes[stop]) <= most_texts):
            texts += spec.text_count(spec.classes[stop])
            stop += 1
        yield start, stop
        start, most_texts = stop, chunk_texts
