"""Threads that compute with the same processors take turns: with all of them one at a time, or with one each.

Many pictures are computed side by side, each on one processor, as processors that share a picture wait for each other;
few get all processors, one picture after the other.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(eq=False)
class _Turn:
    """splits: it can do with one processor, if there is enough to do: as many items `waiting` as it says."""

    splits: bool
    waiting: Callable[[], int]
    processors: int = 0


class Turns:
    """In the order in which they came. Who computes for longer than `patience_s` is waited for no more: what hangs
    hinders nobody else. As a context it is a turn with all `processors`."""

    def __init__(self, patience_s: float | None = None, processors: int = 1) -> None:
        self._patience_s, self._processors = patience_s, processors
        self._changed = threading.Condition()
        self._queue: deque[_Turn] = deque()
        self._begun: list[_Turn] = []
        self._whole: dict[int, _Turn] = {}  # of the threads that entered
        self._customers = 0

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        with self._changed:
            return len(self._queue)

    @contextmanager
    def customer(self) -> Iterator[None]:
        """Somebody who wants one thing computed at a time. Where there are enough to keep more than half of
        the processors busy that way, each has one."""
        self._come(1)
        try:
            yield
        finally:
            self._come(-1)

    @contextmanager
    def taken(self, waiting: Callable[[], int]) -> Iterator[bool]:
        """A turn of somebody who can do with one processor; whether it has all. It is decided when it begins, by the
        customers, or by the items `waiting` for it and the turns under way if these are more."""
        turn = self._begin(_Turn(True, waiting))
        try:
            yield turn.processors == self._processors
        finally:
            self._end(turn)

    def __enter__(self) -> None:
        self._whole[threading.get_ident()] = self._begin(_Turn(False, int))

    def __exit__(self, *_: object) -> None:
        self._end(self._whole.pop(threading.get_ident()))

    def _come(self, how_many: int) -> None:
        with self._changed:
            self._customers += how_many
            self._changed.notify_all()

    def _begin(self, turn: _Turn) -> _Turn:
        with self._changed:
            self._queue.append(turn)
            self._changed.wait_for(lambda: self._may_begin(turn), self._patience_s)
            self._queue.remove(turn)
            turn.processors = self._wanted(turn)
            self._begun.append(turn)
            self._changed.notify_all()
        return turn

    def _end(self, turn: _Turn) -> None:
        with self._changed:
            self._begun.remove(turn)
            self._changed.notify_all()

    def _may_begin(self, turn: _Turn) -> bool:
        free = self._processors - sum(other.processors for other in self._begun)
        return self._queue[0] is turn and free >= self._wanted(turn)

    def _wanted(self, turn: _Turn) -> int:
        works = max(self._customers, turn.waiting() + len(self._begun))
        return 1 if turn.splits and 2 * works > self._processors else self._processors
