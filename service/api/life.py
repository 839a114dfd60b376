"""From the first moment to the last: models load beside the web server, are watched while it serves, and are let go."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from fastapi import FastAPI

from service.api.state import Parts, State
from service.errors import ServiceError
from service.lines import filled_pool
from service.settings import Settings
from service.watching.judging import BEYOND_HELP
from service.watching.watchdog import Watchdog

LOOK_UP_THREADS = 8  # for what is short, or waits for a reading of the database
CLOSING_S = 5  # for a batch whose callers have been answered or have left
log = logging.getLogger(__name__)


class Life:
    def __init__(
        self,
        state: State,
        load: Callable[[Settings], Parts],
        on_failure: Callable[[], None],
        on_beyond_help: Callable[[str], None],
    ) -> None:
        self._state, self._load = state, load
        self._on_failure, self._on_beyond_help = on_failure, on_beyond_help
        self._canary: asyncio.Task[None] | None = None
        self._watchdog: Watchdog | None = None

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        asyncio.get_running_loop().set_default_executor(filled_pool(LOOK_UP_THREADS, "look-ups"))
        loader = ThreadPoolExecutor(1, thread_name_prefix="loader")  # its own: the loop's end does not wait for it
        loading = asyncio.get_running_loop().run_in_executor(loader, self._load, self._state.settings)
        loading.add_done_callback(self._loading_ended)
        yield
        self._state.drain()
        if self._canary is not None and self._watchdog is not None:
            self._canary.cancel()
            await asyncio.wait([self._canary])
            await asyncio.to_thread(self._watchdog.stop)
        self._state.closed = await asyncio.to_thread(self._state.close, CLOSING_S)

    def _loading_ended(self, task: asyncio.Future[Parts]) -> None:
        error = task.exception()
        if error is None:
            self._state.parts = task.result()
            self._watch(self._state.parts)
        else:
            self._state.refusal = error if isinstance(error, ServiceError) else None
            detail = error.detail if isinstance(error, ServiceError) else f"{type(error).__name__}: {error}"
            self._state.failure = f"loading failed: {detail}"
            log.critical("the service cannot start", extra={"detail": detail}, exc_info=_traceback_of(error))
            self._on_failure()
        self._state.loaded.set()

    def _watch(self, parts: Parts) -> None:
        loop = asyncio.get_running_loop()
        self._canary = loop.create_task(parts.canary.watch())
        self._watchdog = Watchdog(parts.beyond_help_because, BEYOND_HELP * parts.stall_s, self._beyond_help)
        self._watchdog.start(loop)

    def _beyond_help(self, reason: str) -> None:
        self._state.failure = reason
        self._on_beyond_help(reason)


def _traceback_of(error: BaseException) -> BaseException | None:
    """A ServiceError's words say what to do; anything else is a fault whose place must be known."""
    return None if isinstance(error, ServiceError) else error
