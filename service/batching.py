"""Many single calls become few batched ones: one queue and one worker thread for each model.

The next batch forms while the last one runs, so a lone call never waits and no timer is needed. The queue is bounded, a
caller who left is dropped before it costs anything, an item that fails does so alone, and whatever is raised in the
worker, it goes on. Knows nothing of pictures.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from service.errors import ModelFailed, NotReady, Overloaded, ServiceError

Item = TypeVar("Item")
Result = TypeVar("Result")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerHealth:
    """Whether the worker thread lives, how many items wait, for how many seconds the present batch has run, and how
    many batches of how many items were begun so far, also by size: differences of two readings give the mean batch.
    succeeded_ago_s: since a batch went well, or since the start; since then so many `failures`, one for want of memory.
    """

    alive: bool
    waiting: int
    running_for_s: float
    batches: int = 0
    items: int = 0
    succeeded_ago_s: float = 0.0
    failures: int = 0
    out_of_memory: bool = False
    batch_sizes: Mapping[int, int] = field(default_factory=dict)


class Batcher(Generic[Item, Result]):
    """Calls `run` with a few items at a time, in order of arrival, from one thread of its own.

    Args:
        run: from n items to n results, in order.
        max_batch: how much the items of one call weigh together; a heavier one is called alone.
        max_waiting: with this many items in the queue a further one is refused.
        weigh: an item's weight, 1 unless told.
        turn: held while `run` computes; the batch forms until it is had.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        max_batch: int,
        max_waiting: int,
        weigh: Callable[[Item], int] = lambda _item: 1,
        turn: AbstractContextManager[object] | None = None,
    ) -> None:
        if max_batch < 1 or max_waiting < 1:
            raise ValueError(f"max_batch and max_waiting are at least 1, not {max_batch} and {max_waiting}")
        self.name, self._run = name, run
        self._max_batch, self._max_waiting, self._weigh = max_batch, max_waiting, weigh
        self._turn = turn or nullcontext()
        self._waiting: deque[tuple[Item, Future[Result]]] = deque()
        self._changed, self._closed = threading.Condition(), False
        self._running: list[tuple[Item, Future[Result]]] = []
        self._running_since_s: float | None = None
        self._succeeded_s = time.monotonic()
        self._sizes: Counter[int] = Counter()
        self._failures, self._out_of_memory = 0, False
        self._thread = threading.Thread(target=self._work, name=f"batcher-{name}", daemon=True)
        self._thread.start()

    def submit(self, item: Item) -> Future[Result]:
        """The item's future result; cancel it to leave the queue.

        Raises:
            Overloaded: the queue is full.
            NotReady: the worker was closed or has died.
        """
        with self._changed:
            if self._closed or not self._thread.is_alive():
                raise NotReady(f"the {self.name} worker does not take work")
            if len(self._waiting) >= self._max_waiting:
                self._waiting = deque(entry for entry in self._waiting if not entry[1].cancelled())
            if len(self._waiting) >= self._max_waiting:
                detail = f"{len(self._waiting)} items already wait for the {self.name}"
                raise Overloaded(detail, retry_after_s=1, of="queue")
            future: Future[Result] = Future()
            self._waiting.append((item, future))
            self._changed.notify()
            return future

    def health(self) -> WorkerHealth:
        with self._changed:
            since, now_s = self._running_since_s, time.monotonic()
            return WorkerHealth(
                self._thread.is_alive(),
                len(self._waiting),
                0.0 if since is None else now_s - since,
                batches=self._sizes.total(),
                items=sum(size * count for size, count in self._sizes.items()),
                succeeded_ago_s=now_s - self._succeeded_s,
                failures=self._failures,
                out_of_memory=self._out_of_memory,
                batch_sizes=dict(self._sizes),
            )

    def close(self, timeout_s: float | None = None) -> bool:
        """Take no more work, finish what waits, end the thread; false if that took too long."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            try:
                if not self._has_work():
                    return
                self._work_once()
            except BaseException as error:
                self._count(error)
                log.critical("a worker was interrupted", extra={"model": self.name}, exc_info=error)
                for _, future in self._running:
                    if not future.done():
                        future.set_exception(ModelFailed(f"the {self.name} was interrupted"))
            with self._changed:
                self._running, self._running_since_s = [], None

    def _work_once(self) -> None:
        with self._turn:
            batch = self._next_batch()
            if batch:
                self._answer(batch)

    def _has_work(self) -> bool:
        """Waits for some; false when closed and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return bool(self._waiting)

    def _next_batch(self) -> list[tuple[Item, Future[Result]]]:
        """The next items whose callers are still there, if there are any."""
        with self._changed:
            batch, room = self._running, self._max_batch
            while self._waiting and (not batch or self._weigh(self._waiting[0][0]) <= room):
                item, future = self._waiting.popleft()
                if future.set_running_or_notify_cancel():
                    batch.append((item, future))
                    room -= self._weigh(item)
            if batch:
                self._sizes[len(batch)] += 1
        return batch

    def _answer(self, batch: list[tuple[Item, Future[Result]]]) -> None:
        self._running_since_s = time.monotonic()
        try:
            results = self._run([item for item, _ in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{self.name} gave {len(results)} results for {len(batch)} items")
        except Exception as error:  # noqa: BLE001  whatever a model raises must reach its callers
            self._isolate(batch, error)
            return
        self._count(None)
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)

    def _isolate(self, batch: list[tuple[Item, Future[Result]]], error: Exception) -> None:
        """Of several items each gets a try alone; a single one gets the error."""
        if len(batch) > 1:
            log.warning("a batch failed; trying each item alone", extra={"model": self.name, "items": len(batch)})
            for entry in batch:
                self._answer([entry])
            return
        refusal = error if isinstance(error, ServiceError) else ModelFailed(f"the {self.name} failed on this input")
        if refusal is not error:
            refusal.__cause__ = error
            log.error("a model failed", extra={"model": self.name}, exc_info=error)
            self._count(error)
        batch[0][1].set_exception(refusal)

    def _count(self, error: BaseException | None) -> None:
        """None for a call that went well."""
        with self._changed:
            if error is None:
                self._succeeded_s, self._failures, self._out_of_memory = time.monotonic(), 0, False
            else:
                self._failures += 1
                self._out_of_memory |= _wants_memory(error)


def _wants_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # the latter is torch's
