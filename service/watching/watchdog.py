"""Ends a process that cannot do its work any more, so that whoever runs it starts another."""

import asyncio
import threading
import time
from collections.abc import Callable

LOOK_EVERY_S = 1.0


class Watchdog:
    """A thread of its own: what it watches may hang, the event loop too.

    Args:
        beyond_help_because: a reason to end the process, None while there is hope.
        loop_patience_s: how long the event loop may do nothing else than one thing.
        end: called once, with the reason, from the watchdog's thread.
    """

    def __init__(
        self,
        beyond_help_because: Callable[[], str | None],
        loop_patience_s: float,
        end: Callable[[str], None],
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._beyond_help_because, self._loop_patience_s, self._end = beyond_help_because, loop_patience_s, end
        self._look_every_s = look_every_s
        self._stopping = threading.Event()
        self._beat_s = time.monotonic()
        self._thread: threading.Thread | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._thread = threading.Thread(target=self._watch, args=(loop,), name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._stopping.wait(self._look_every_s):
            silent_for_s = time.monotonic() - self._beat_s
            reason = self._beyond_help_because()
            if reason is None and silent_for_s > self._loop_patience_s:
                reason = f"the event loop has been stuck for {silent_for_s:.0f} s"
            if reason is not None:
                self._end(reason)
                return
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._beat)

    def _beat(self) -> None:
        self._beat_s = time.monotonic()
