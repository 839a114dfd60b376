"""Prototypes from class texts and pictures: small lists at once, long ones in the background, chunk by chunk."""

import logging
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress

import numpy as np
from numpy.typing import NDArray

from service.batch_record import WorkerHealth
from service.batching import Batcher
from service.datasets.build_store import BuildKey, BuildStore, Chunk
from service.datasets.contents import VersionGone
from service.datasets.pacing import PacedEmbedding, Traffic
from service.datasets.prototypes import DatasetEncoder, class_rows, work_of
from service.datasets.spec import DatasetSpec
from service.datasets.store import DatasetStore
from service.errors import DatabaseCorrupt, DatabaseUnavailable, DeadlineExceeded, NotReady, Overloaded, StorageFull
from service.turns import Turns

Floats = NDArray[np.float32]
LEASE_S = 60.0  # at least twice as long as any piece of texts or picture, before each of which it may be renewed
RENEWED_AFTER_S = LEASE_S / 3
LOOK_AGAIN_S = 0.5
MOST_WAITING = 100_000
NO_TRAFFIC = Traffic()
NO_TURN = nullcontext()
DATABASES_FAULT = (DatabaseUnavailable, DatabaseCorrupt, StorageFull)
NOT_THE_TEXTS_FAULT = (*DATABASES_FAULT, Overloaded, NotReady, DeadlineExceeded)  # to be tried again
log = logging.getLogger(__name__)


class BuildGivenUp(Exception):
    """The service stops, or no dataset wants the build any longer, or another took it over."""


class _Lease:
    """Of a claimed build, which goes on while its holder lives and the service does not stop."""

    def __init__(self, builds: BuildStore, key: BuildKey, owner: str, stopping: threading.Event) -> None:
        self._builds, self._key, self._owner, self._stopping = builds, key, owner, stopping
        self._renewed_s = builds.clock()

    def renew(self) -> None:
        """Raises BuildGivenUp."""
        now_s = self._builds.clock()
        if self._stopping.is_set() or not self._builds.renew(self._key, self._owner, LEASE_S):
            raise BuildGivenUp
        self._renewed_s = now_s

    def keep(self) -> None:
        """Like `renew`, without a commit while most of the lease is left. Raises BuildGivenUp."""
        if self._stopping.is_set() or self._builds.clock() - self._renewed_s >= RENEWED_AFTER_S:
            self.renew()


class PrototypeBuilder:
    """Builds belong to texts, not to datasets: whatever dataset has the texts answers when their build is done.

    A build is held by a lease in the database, so that of several replicas and threads one does it.
    """

    def __init__(
        self,
        store: DatasetStore,
        builds: BuildStore,
        encoder: DatasetEncoder,
        chunk_texts: int,
        traffic: Traffic = NO_TRAFFIC,
    ) -> None:
        self._store, self._builds = store, builds
        self._encoder, self._chunk_texts, self._traffic = encoder, chunk_texts, traffic
        self._embedding = Turns()  # a lock would be had again and again by who embeds piece after piece
        self._queued: set[BuildKey] = set()
        self._queued_lock = threading.Lock()
        self._stopping = threading.Event()
        self._worker: Batcher[BuildKey, None] = Batcher(
            "prototype builder", self._build_queued, max_batch=1, max_waiting=MOST_WAITING
        )

    def close(self, timeout_s: float | None = None) -> bool:
        """Stop after the present piece of texts or picture; what is left is resumed at the next start."""
        self._stopping.set()
        return self._worker.close(timeout_s)

    def health(self) -> WorkerHealth:
        return self._worker.health()

    def compute(self, spec: DatasetSpec, pictures: Mapping[str, bytes]) -> Floats:
        """What is stored of a whole list, computed in the calling thread. Pictures not given are read.

        Raises:
            VersionGone: a picture is neither given nor stored.
        """

        def embed_example(sha256: str) -> Floats:
            return self._embed_picture(spec, pictures.get(sha256) or self._store.contents.exemplar(sha256))

        gaps = gaps_of(spec, {}, self._chunk_texts)
        parts = [class_rows(spec, spec.classes[start:stop], self.embed, embed_example) for start, stop in gaps]
        return np.concatenate(parts)

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
            if row is not None and row.ready and self._builds.is_awaited(key):
                self._builds.begin(key, row.class_count)
            if row is not None and (row.ready or row.failure):
                return
            if row is None or row.lease_until < self._builds.clock():
                spec = self._store.contents.spec_of_texts(key.texts_key)
                if spec is None:
                    return
                self._builds.begin(key, len(spec.classes))
                if self._builds.claim(key, owner, LEASE_S):
                    self._build_claimed(key, spec, owner)
                    return
            if not wait:  # another is at it, and a list of 100,000 classes was not read to find that out
                return
            self._stopping.wait(LOOK_AGAIN_S)

    def embed(self, texts: Sequence[str], turn: AbstractContextManager[object] = NO_TURN) -> Floats:
        """Unit embeddings `[N, D]`: one call at a time, in order of arrival, in its `turn` among the models."""
        with self._embedding, turn:
            return self._encoder.embed(texts)

    def _build_queued(self, keys: Sequence[BuildKey]) -> list[None]:
        for key in keys:
            self.build(key, wait=False)
        return [None] * len(keys)

    def _build_claimed(self, key: BuildKey, spec: DatasetSpec, owner: str) -> None:
        lease = _Lease(self._builds, key, owner, self._stopping)
        paced = PacedEmbedding(self.embed, self._traffic, self._stopping, lease.keep)

        def embed_example(sha256: str) -> Floats:
            data = self._store.contents.exemplar(sha256)
            lease.renew()
            return self._embed_picture(spec, data)

        try:
            for start, stop in gaps_of(spec, self._builds.chunk_sizes(key), self._chunk_texts):
                rows = class_rows(spec, spec.classes[start:stop], paced.embed, embed_example)
                if not self._builds.add_chunk(key, Chunk(start, rows), owner):
                    raise BuildGivenUp
            log.info("a dataset was built", extra={"texts": key.texts_key, "classes": len(spec.classes)})
        except (BuildGivenUp, VersionGone):
            log.info("a build was given up", extra={"texts": key.texts_key})
        finally:
            error = sys.exception()
            lost = error is None or isinstance(error, NOT_THE_TEXTS_FAULT)
            # A full disk is tried again when the lease has run out, not at every look-up.
            if not isinstance(error, StorageFull):
                with suppress(*DATABASES_FAULT):
                    self._builds.release(key, owner, None if lost else f"{type(error).__name__}: {error}")

    def _embed_picture(self, spec: DatasetSpec, data: bytes) -> Floats:
        if self._encoder.embed_picture is None:
            raise ValueError("this service takes no example pictures")
        return self._encoder.embed_picture(data, spec.prompt_set)


def gaps_of(spec: DatasetSpec, stored: Mapping[int, int], chunk_texts: int) -> Iterator[tuple[int, int]]:
    """`start, stop` of the classes that no chunk in `stored` (first class to class count) holds, in pieces of about
    `chunk_texts` texts' time. Pieces stored with another size are kept."""
    starts = sorted(stored)
    start = 0
    while start < len(spec.classes):
        if start in stored:
            start += stored[start]
            continue
        limit = next((first for first in starts if first > start), len(spec.classes))
        stop, texts = start, 0
        while stop < limit and (stop == start or texts + work_of(spec, spec.classes[stop]) <= chunk_texts):
            texts += work_of(spec, spec.classes[stop])
            stop += 1
        yield start, stop
        start = stop
