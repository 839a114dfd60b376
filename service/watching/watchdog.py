"""Ends a process that cannot do its work any more, so that whoever runs it starts another."""

import asyncio
import threading
import time
from collections.abc import Callable

LOOK_EVERY_S = 1.0
PAUSED_S = 1.0  # so much later than it should, a look is the first after a pause of the process or of the machine


class Watchdog:
    """A thread of its own: what it watches may hang, the event loop too. After a pause of the whole process, in which
    all times went on, it judges nothing for `loop_patience_s`.

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
        looked_s = judging_from_s = time.monotonic()
        while not self._stopping.wait(self._look_every_s):
            now_s = time.monotonic()
            if now_s - looked_s > self._look_every_s + PAUSED_S:  # the whole process stood still
                judging_from_s = now_s + self._loop_patience_s
            looked_s = now_s
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._beat)
            if now_s < judging_from_s:
                continue
            silent_for_s = now_s - self._beat_s
            reason = self._beyond_help_because()
            if reason is None and silent_for_s > self._loop_patience_s:
                reason = f"the event loop has been stuck for {silent_for_s:.0f} s"
            if reason is not None:
                self._end(reason)
                return

    def _beat(self) -> None:
        self._beat_s = time.monotonic()
