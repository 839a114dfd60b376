"""Threads for one kind of work: all there from the start, and only so many callers who wait for them."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import ParamSpec, TypeVar

from service.errors import Overloaded

Given = ParamSpec("Given")
Result = TypeVar("Result")


def filled_pool(threads: int, name: str) -> ThreadPoolExecutor:
    """With all its threads begun: how many the process has is not to depend on what it was asked so far."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
    all_here = threading.Barrier(threads + 1)
    for _ in range(threads):
        pool.submit(all_here.wait)  # none is free for a second one before each has begun
    all_here.wait()
    return pool


class Line:
    """Callers have a place as long as they are at work; some wait for one, the others are refused. Used from one event
    loop."""

    def __init__(
        self,
        name: str,
        threads: int,
        *,
        most_waiting: int,
        patience_s: float,
        places: int | None = None,
        retry_after_s: int = 1,
    ) -> None:
        """places: one for each thread unless told. patience_s: who has waited for one for so long is refused."""
        self._name, self._most_waiting = name, most_waiting
        self._patience_s, self._retry_after_s = patience_s, retry_after_s
        self._pool = filled_pool(threads, name)
        self._places, self._free_threads = asyncio.Semaphore(places or threads), asyncio.Semaphore(threads)
        self._waiting = 0

    @property
    def waiting(self) -> int:
        return self._waiting

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Raises Overloaded."""
        if self._waiting >= self._most_waiting:
            raise self._refusal(f"{self._waiting} requests already wait")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience_s):
                await self._places.acquire()
        except TimeoutError:
            raise self._refusal(f"waited {self._patience_s:g} s") from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()

    async def run(self, work: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
        """In one of the threads, which goes on with it when the caller has left; nothing waits in the pool itself, so
        that who leaves leaves nothing behind."""
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        await self._free_threads.acquire()
        try:
            future = self.submit(lambda: context.run(work, *args, **kwargs))
        except BaseException:
            self._free_threads.release()
            raise

        def free(_future: Future[Result]) -> None:
            with suppress(RuntimeError):  # the loop may be closed
                loop.call_soon_threadsafe(self._free_threads.release)

        future.add_done_callback(free)
        return await asyncio.wrap_future(future)

    def submit(self, work: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Future[Result]:
        return self._pool.submit(work, *args, **kwargs)

    def close(self) -> None:
        """Without waiting for what is at work."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _refusal(self, reason: str) -> Overloaded:
        return Overloaded(f"{reason} for {self._name}", retry_after_s=self._retry_after_s, of="changes")
