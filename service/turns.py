"""Threads that compute with the same processors take turns."""

import threading
from collections import deque


class Turns:
    """One at a time, in the order in which they came. Who computes for longer than `patience_s` is waited for no more:
    what hangs hinders nobody else."""

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
