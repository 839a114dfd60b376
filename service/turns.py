"""Threads that compute with the same processors take turns: with all of them one at a time, or with one each.

Many pictures are computed side by side, each on one processor, as processors that share a picture wait for each other;
few get all processors, one picture after the other.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(eq=False)
class _Turn:
    """works: how many wait to be computed in such turns, None where one takes all processors. called: when it may
    begin."""

    works: Callable[[], int | None]
    called: threading.Condition
    processors: int = 0
    begun_s: float = 0.0


def _all() -> None:
    return None


class Turns:
    """In the order in which they came. Who computes for longer than `patience_s` is waited for no more: what hangs
    hinders nobody else. As a context it is a turn with all `processors`."""

    def __init__(self, patience_s: float | None = None, processors: int = 1) -> None:
        self._patience_s, self._processors = patience_s, processors
        self._lock = threading.RLock()
        self._queue: deque[_Turn] = deque()
        self._begun: list[_Turn] = []
        self._whole: dict[int, _Turn] = {}  # of the threads that entered
        self._customers = 0

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        with self._lock:
            return len(self._queue)

    @property
    def at_work(self) -> int:
        """How many have their turn, and are waited for."""
        with self._lock:
            return len(self._at_work())

    @contextmanager
    def customer(self) -> Iterator[None]:
        """Somebody who wants one thing computed at a time. Where there are enough to keep more than half of the
        processors busy that way, each has one."""
        self._come(1)
        try:
            yield
        finally:
            self._come(-1)

    @contextmanager
    def taken(self, works: Callable[[], int | None]) -> Iterator[bool]:
        """A turn of somebody who can do with one processor, if `works` is not None; whether it has all. It is decided
        when it begins, by the customers, or by the works and the turns under way if these are more."""
        turn = self._begin(works)
        try:
            yield turn.processors == self._processors
        finally:
            self._end(turn)

    def __enter__(self) -> None:
        self._whole[threading.get_ident()] = self._begin(_all)

    def __exit__(self, *_: object) -> None:
        self._end(self._whole.pop(threading.get_ident()))

    def _come(self, how_many: int) -> None:
        with self._lock:
            self._customers += how_many
            self._call_first()

    def _begin(self, works: Callable[[], int | None]) -> _Turn:
        turn = _Turn(works, threading.Condition(self._lock))
        with self._lock:
            self._queue.append(turn)
            self._call_first()  # it may want less where more wait
            try:
                if not turn.called.wait_for(lambda: self._may_begin(turn), self._patience_s):
                    turn.processors = self._wanted(turn)
                turn.begun_s = time.monotonic()
                self._begun.append(turn)
            finally:
                self._queue.remove(turn)
                self._call_first()
        return turn

    def _end(self, turn: _Turn) -> None:
        with self._lock:
            self._begun.remove(turn)
            self._call_first()

    def _call_first(self) -> None:
        """If a processor is free: to wake those who cannot begin costs time that others compute in."""
        if self._queue and self._free() > 0:
            self._queue[0].called.notify()

    def _may_begin(self, turn: _Turn) -> bool:
        """Whether it is the first, and as many processors are free as it wants, which it has then."""
        if self._queue[0] is not turn:
            return False
        turn.processors = self._wanted(turn)
        return turn.processors <= self._free()

    def _free(self) -> int:
        return self._processors - sum(other.processors for other in self._at_work())

    def _wanted(self, turn: _Turn) -> int:
        works = turn.works()
        if works is None:
            return self._processors
        crowd = max(self._customers, works + len(self._at_work()))
        return 1 if 2 * crowd > self._processors else self._processors

    def _at_work(self) -> list[_Turn]:
        """Those that are waited for."""
        if self._patience_s is None:
            return self._begun
        since_s = time.monotonic() - self._patience_s
        return [turn for turn in self._begun if turn.begun_s >= since_s]
