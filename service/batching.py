"""Many single calls become few batched ones: one queue and one worker thread for each model.

The next batch forms while the last one runs, so a lone call never waits and no timer is needed. The queue is bounded, a
caller who left is dropped before it costs anything, and an item that fails does so alone. Knows nothing of pictures.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.errors import ModelFailed, NotReady, Overloaded, ServiceError

Item = TypeVar("Item")
Result = TypeVar("Result")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerHealth:
    """Whether the worker thread lives, how many items wait, for how many seconds the present batch has run, and how
    many batches of how many items were begun so far: between two readings their differences give the mean batch."""

    alive: bool
    waiting: int
    running_for_s: float
    batches: int = 0
    items: int = 0


class Turns:
    """Threads that compute with the same processors do so one at a time, in the order in which they came. Who computes
    for longer than `patience_s` is waited for no more: what hangs hinders nobody else."""

    def __init__(self, patience_s: float | None = None) -> None:
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._queue: deque[int] = deque()

    def __enter__(self) -> None:
        own = threading.get_ident()
        with self._changed:
            self._queue.append(own)
            self._changed.wait_for(lambda: self._queue[0] == own, self._patience_s)

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        with self._changed:
            return max(0, len(self._queue) - 1)

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._queue.remove(threading.get_ident())
            self._changed.notify_all()


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
        self.name = name
        self._run = run
        self._max_batch, self._max_waiting, self._weigh = max_batch, max_waiting, weigh
        self._turn = turn or nullcontext()
        self._waiting: deque[tuple[Item, Future[Result]]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._running_since_s: float | None = None
        self._batches = self._items = 0
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
                raise Overloaded(f"{len(self._waiting)} items already wait for the {self.name}", retry_after_s=1)
            future: Future[Result] = Future()
            self._waiting.append((item, future))
            self._changed.notify()
            return future

    def health(self) -> WorkerHealth:
        with self._changed:
            since = self._running_since_s
            running_for_s = 0.0 if since is None else time.monotonic() - since
            alive, waiting = self._thread.is_alive(), len(self._waiting)
            return WorkerHealth(alive, waiting, running_for_s, self._batches, self._items)

    def close(self, timeout_s: float | None = None) -> None:
        """Take no more work, finish what waits, end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while self._has_work():
            with self._turn:
                batch = self._next_batch()
                if batch:
                    self._answer(batch)
                with self._changed:
                    self._running_since_s = None

    def _has_work(self) -> bool:
        """Waits for some; false when closed and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return bool(self._waiting)

    def _next_batch(self) -> list[tuple[Item, Future[Result]]]:
        """The next items whose callers are still there, if there are any."""
        batch: list[tuple[Item, Future[Result]]] = []
        with self._changed:
            room = self._max_batch
            while self._waiting and (not batch or self._weigh(self._waiting[0][0]) <= room):
                item, future = self._waiting.popleft()
                if future.set_running_or_notify_cancel():
                    batch.append((item, future))
                    room -= self._weigh(item)
            if batch:
                self._running_since_s = time.monotonic()
                self._batches += 1
                self._items += len(batch)
        return batch

    def _answer(self, batch: list[tuple[Item, Future[Result]]]) -> None:
        try:
            results = self._run([item for item, _ in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{self.name} gave {len(results)} results for {len(batch)} items")
        except Exception as error:  # noqa: BLE001  whatever a model raises must reach its callers and spare the worker
            self._isolate(batch, error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)

    def _isolate(self, batch: list[tuple[Item, Future[Result]]], error: Exception) -> None:
        """Of several items each gets a try alone; a single one gets the error."""
        if len(batch) > 1:
            log.warning("a batch failed; trying each item alone", extra={"model": self.name, "items": len(batch)})
            for entry in batch:
                self._answer([entry])
            return
        log.error("a model failed", extra={"model": self.name}, exc_info=error)
        refusal = error if isinstance(error, ServiceError) else ModelFailed(f"the {self.name} failed on this input")
        refusal.__cause__ = None if refusal is error else error
        batch[0][1].set_exception(refusal)
