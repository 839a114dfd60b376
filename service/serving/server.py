"""uvicorn's server with an end in order: not ready first, then drained, then gone."""

import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

import uvicorn

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """SIGTERM: `on_draining` is called at once, and `drain_delay_s` later no more connections are taken and what was
    accepted is answered. SIGINT, a person's, waits for nothing but the answers. A second signal ends the process now.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        on_draining: Callable[[], None],
        drain_delay_s: float,
        end_now: Callable[[int], None] = os._exit,
    ) -> None:
        super().__init__(config)
        self._on_draining, self._drain_delay_s, self._end_now = on_draining, drain_delay_s, end_now
        self._signalled = False

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """In place of uvicorn's, which after its end raises the signal once more: exit code 0 is due."""
        if self._signalled:
            self._end_now(128 + sig)
            return
        self._signalled = True
        self._on_draining()
        if sig == signal.SIGTERM and self._drain_delay_s and self.started:
            log.info("draining", extra={"delay_s": self._drain_delay_s})
            timer = threading.Timer(self._drain_delay_s, self.stop)
            timer.daemon = True
            timer.start()
        else:
            self.stop()

    def stop(self) -> None:
        self.should_exit = True
