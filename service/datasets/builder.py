"""Prototypes from class texts: small lists at once, long ones in the background, chunk by chunk and resumable."""

import logging
import queue
import threading
import time
import uuid
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.datasets.build_store import BuildKey, BuildStore, Chunk
from service.datasets.prototypes import Embed, class_prototypes
from service.datasets.spec import DatasetSpec
from service.datasets.store import DatasetStore
from service.errors import ServiceError

Floats = NDArray[np.float32]
LEASE_S = 10.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TextEncoder:
    """The part of an encoder that a dataset needs: its name, its revision, and unit embeddings `[N, D]` of texts."""

    name: str
    revision: str
    embed: Embed


@dataclass(frozen=True)
class Job:
    key: BuildKey
    version: str


class PrototypeBuilder:
    def __init__(self, store: DatasetStore, builds: BuildStore, encoder: TextEncoder, chunk_classes: int) -> None:
        self._store, self._builds = store, builds
        self._encoder, self._chunk_classes = encoder, chunk_classes
        self._owner = uuid.uuid4().hex
        self._one_at_a_time = threading.Lock()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._queued: set[BuildKey] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prototype-builder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop after the present chunk; what is left is resumed at the next start."""
        self._stopping.set()
        self._jobs.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def compute(self, spec: DatasetSpec) -> Floats:
        """All prototypes `[L, D]` of a list, in the calling thread."""
        size = self._chunk_size(spec)
        return np.concatenate([self._chunk(spec, start, size).vectors for start in range(0, len(spec.classes), size)])

    def enqueue(self, job: Job) -> None:
        """Build in the background; a job that waits already is not queued twice."""
        if job.key not in self._queued:
            self._queued.add(job.key)
            self._jobs.put(job)

    def build(self, job: Job) -> None:
        """Build what is missing, in the calling thread; where another process is at it, wait until it is done."""
        while not self._stopping.is_set():
            row = self._builds.build(job.key)
            if row is None or row.ready:
                return
            if self._builds.claim(job.key, self._owner, LEASE_S):
                try:
                    self._build_missing(job)
                finally:
                    self._builds.release(job.key, self._owner)
                return
            self._stopping.wait(max(0.1, min(row.lease_until - time.time(), 1.0)))

    def _build_missing(self, job: Job) -> None:
        spec = self._store.spec(job.version)
        done = self._builds.chunk_starts(job.key)
        size = self._chunk_size(spec)
        for start in range(0, len(spec.classes), size):
            if self._stopping.is_set():
                return
            if start not in done and not self._builds.add_chunk(
                job.key, self._chunk(spec, start, size), self._owner, LEASE_S
            ):
                log.info("a build was given up", extra={"version": job.version})
                return
        log.info("a dataset was built", extra={"version": job.version, "classes": len(spec.classes)})

    def _chunk_size(self, spec: DatasetSpec) -> int:
        """Fewer classes with more templates: a chunk must be done well within its lease."""
        return max(1, self._chunk_classes // len(spec.templates))

    def _chunk(self, spec: DatasetSpec, start: int, size: int) -> Chunk:
        with self._one_at_a_time:
            entries = spec.classes[start : start + size]
            return Chunk(start, class_prototypes(spec, entries, self._encoder.embed))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None and not self._stopping.is_set():
            self._queued.discard(job.key)
            try:
                self.build(job)
            except (ServiceError, RuntimeError, ValueError, MemoryError) as error:
                log.exception("a dataset could not be built", extra={"version": job.version})
                self._record_failure(job, f"{type(error).__name__}: {error}")

    def _record_failure(self, job: Job, failure: str) -> None:
        try:
            self._builds.fail_build(job.key, failure)
        except ServiceError:
            log.exception("a failed build could not be recorded", extra={"version": job.version})
