"""A thread that calls a model, and how far its own way of calling is trusted."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Run = Callable[[Sequence[Item]], Sequence[Result]]
Batch = list[tuple[Item, Future[Result]]]
MOST_LANE_FAILURES = 3  # in a row: one may be the item's own fault
log = logging.getLogger(__name__)


@dataclass(eq=False)
class Worker(Generic[Item, Result]):
    """lane: what it calls for one item on one processor, if it can. batch: that is being computed since `since_s`.

    A lane that fails again and again is left for good: beside lanes that work it would fail its share of the items for
    ever and seem well, and what the whole model can, it still does.
    """

    lane: Run[Item, Result] | None
    thread: threading.Thread = field(init=False)
    batch: Batch[Item, Result] = field(default_factory=list)
    since_s: float | None = None
    _lane_failures: int = 0

    def succeeded(self, run: Run[Item, Result]) -> None:
        if run is self.lane:
            self._lane_failures = 0

    def failed(self, run: Run[Item, Result]) -> None:
        if run is not self.lane:
            return
        self._lane_failures += 1
        if self._lane_failures >= MOST_LANE_FAILURES:
            self.lane = None
            log.critical("a lane failed too often and is used no more", extra={"worker": self.thread.name})
