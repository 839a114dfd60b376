"""Many single calls become few batched ones: one queue and one worker thread for each model, or, of a model that can be
computed on one processor, one for each.

The next batch forms while the last one runs, so a lone call never waits and no timer is needed. The queue is bounded, a
caller who left is dropped before it costs anything, an item that fails does so alone, and whatever is raised in a
worker, it goes on. Knows nothing of pictures.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from typing import Generic

from service.batch_record import Record, WorkerHealth
from service.batch_worker import Batch, Item, Result, Run, Worker
from service.errors import ModelFailed, NotReady, Overloaded, ServiceError
from service.turns import Turns

log = logging.getLogger(__name__)


class Batcher(Generic[Item, Result]):
    """Calls `run` with a few items at a time, in order of arrival, from a thread of its own.

    Args:
        run: from n items to n results, in order.
        max_batch: how much the items of one call weigh together; a heavier one is called alone.
        max_waiting: with this many items in the queue a further one is refused.
        weigh: an item's weight, 1 unless told.
        turn: held while `run` computes; the batch forms until it is had.
        lanes: each does for one item, none too heavy for a batch, what `run` does, on one processor, beside the
            others; they need a `turn`, which says when they are to be called in the place of `run`.
    """

    def __init__(
        self,
        name: str,
        run: Run[Item, Result],
        *,
        max_batch: int,
        max_waiting: int,
        weigh: Callable[[Item], int] = lambda _item: 1,
        turn: Turns | None = None,
        lanes: Sequence[Run[Item, Result]] = (),
    ) -> None:
        if max_batch < 1 or max_waiting < 1:
            raise ValueError(f"max_batch and max_waiting are at least 1, not {max_batch} and {max_waiting}")
        self.name, self._run, self._turn = name, run, turn
        self._max_batch, self._max_waiting, self._weigh = max_batch, max_waiting, weigh
        self._waiting: deque[tuple[Item, Future[Result]]] = deque()
        self._changed, self._closed = threading.Condition(), False
        self._coming: set[Worker[Item, Result]] = set()  # workers that are about to take one of those that wait
        self._record = Record()
        self._workers = [Worker[Item, Result](lane) for lane in (lanes if turn is not None else ()) or (None,)]
        for number, worker in enumerate(self._workers):
            worker.thread = threading.Thread(target=self._work, args=(worker,), name=f"{name} {number}", daemon=True)
            worker.thread.start()

    def submit(self, item: Item) -> Future[Result]:
        """The item's future result; cancel it to leave the queue.

        Raises:
            Overloaded: the queue is full.
            NotReady: a worker was closed or has died.
        """
        with self._changed:
            if self._closed or not self._is_alive():
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
            since = [worker.since_s for worker in self._workers if worker.since_s is not None]
            return self._record.health(alive=self._is_alive(), waiting=len(self._waiting), running_since_s=since)

    def close(self, timeout_s: float | None = None) -> bool:
        """Take no more work, finish what waits, end the threads; false if that took too long."""
        ends_s = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.thread.join(None if ends_s is None else max(0.0, ends_s - time.monotonic()))
        return not any(worker.thread.is_alive() for worker in self._workers)

    def _is_alive(self) -> bool:
        return all(worker.thread.is_alive() for worker in self._workers)

    def _work(self, worker: Worker[Item, Result]) -> None:
        while True:
            try:
                if not self._has_work(worker):
                    return
                self._work_once(worker)
            except BaseException as error:
                self._failed(error)
                log.critical("a worker was interrupted", extra={"model": self.name}, exc_info=error)
                for _, future in worker.batch:
                    if not future.done():
                        future.set_exception(ModelFailed(f"the {self.name} was interrupted"))
            with self._changed:
                self._coming.discard(worker)
                worker.batch, worker.since_s = [], None

    def _has_work(self, worker: Worker[Item, Result]) -> bool:
        """Waits for some that no other is about to take; false when closed and there is none left."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) > len(self._coming) or self._closed)
            if has_work := len(self._waiting) > len(self._coming):
                self._coming.add(worker)
            return has_work

    def _work_once(self, worker: Worker[Item, Result]) -> None:
        if worker.lane is None or self._turn is None:
            with self._turn or nullcontext():
                self._answer_next(worker, self._run, self._max_batch)
        else:
            with self._turn.taken(self._works) as has_all:
                run, most = (self._run, self._max_batch) if has_all else (worker.lane, 0)  # 0: a single item
                self._answer_next(worker, run, most)

    def _works(self) -> int | None:
        """How many can be computed on one processor; None where the next is too heavy for that."""
        with self._changed:
            heavy = bool(self._waiting) and self._weigh(self._waiting[0][0]) > self._max_batch
            return None if heavy else len(self._waiting)

    def _answer_next(self, worker: Worker[Item, Result], run: Run[Item, Result], most: int) -> None:
        """The next items whose callers are still there, if there are any, that weigh so much together."""
        with self._changed:
            self._coming.discard(worker)
            while self._waiting and (not worker.batch or self._weigh(self._waiting[0][0]) <= most):
                item, future = self._waiting.popleft()
                if future.set_running_or_notify_cancel():
                    worker.batch.append((item, future))
                    most -= self._weigh(item)
            if worker.batch:
                self._record.begun(len(worker.batch))
        if worker.batch:
            self._answer(worker, run, worker.batch)

    def _answer(self, worker: Worker[Item, Result], run: Run[Item, Result], batch: Batch[Item, Result]) -> None:
        worker.since_s = time.monotonic()
        try:
            results = run([item for item, _ in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{self.name} gave {len(results)} results for {len(batch)} items")
        except Exception as error:  # noqa: BLE001  whatever a model raises must reach its callers
            self._isolate(worker, run, batch, error)
            return
        with self._changed:
            self._record.succeeded()
            worker.succeeded(run)
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)

    def _isolate(
        self, worker: Worker[Item, Result], run: Run[Item, Result], batch: Batch[Item, Result], error: Exception
    ) -> None:
        """Of several items each gets a try alone; a single one gets the error."""
        if len(batch) > 1:
            log.warning("a batch failed; trying each item alone", extra={"model": self.name, "items": len(batch)})
            for entry in batch:
                self._answer(worker, run, [entry])
            return
        refusal = error if isinstance(error, ServiceError) else ModelFailed(f"the {self.name} failed on this input")
        if refusal is not error:
            refusal.__cause__ = error
            log.error("a model failed", extra={"model": self.name}, exc_info=error)
            self._failed(error)
            worker.failed(run)
        batch[0][1].set_exception(refusal)

    def _failed(self, error: BaseException) -> None:
        with self._changed:
            self._record.failed(error)
