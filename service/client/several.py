"""Many pictures, a few at a time, in bounded memory: by threads, and by tasks."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from service.client.results import Answer, Outcome
from service.errors import ServiceError

Asked = TypeVar("Asked")
Progress = Callable[[int], None]
AHEAD = 2  # times the concurrency are asked or kept: in order, a slow picture keeps that many others waiting


def by_threads(
    ask: Callable[[Asked, threading.Event], Answer],
    pictures: Iterable[Asked],
    concurrency: int,
    ordered: bool,
    progress: Progress | None,
) -> Iterator[Outcome[Asked]]:
    """`ask` is told by an event when nobody wants its answer any more."""
    _check(concurrency)
    return _by_threads(ask, pictures, concurrency, ordered, progress or _silent)


def by_tasks(
    ask: Callable[[Asked], Awaitable[Answer]],
    pictures: Iterable[Asked],
    concurrency: int,
    ordered: bool,
    progress: Progress | None,
) -> AsyncIterator[Outcome[Asked]]:
    _check(concurrency)
    return _by_tasks(ask, pictures, concurrency, ordered, progress or _silent)


def _by_threads(
    ask: Callable[[Asked, threading.Event], Answer],
    pictures: Iterable[Asked],
    concurrency: int,
    ordered: bool,
    progress: Progress,
) -> Iterator[Outcome[Asked]]:
    unwanted = threading.Event()

    def one(index: int, picture: Asked) -> Outcome[Asked]:
        try:
            return Outcome(index, picture, ask(picture, unwanted))
        except (ServiceError, OSError) as error:
            return Outcome(index, picture, error=error)

    def first() -> Outcome[Asked]:
        done = running[0] if ordered else next(iter(wait(running, return_when=FIRST_COMPLETED).done))
        running.remove(done)
        return done.result()

    running: deque[Future[Outcome[Asked]]] = deque()
    pool, done = ThreadPoolExecutor(concurrency, thread_name_prefix="asking"), 0
    try:
        for index, picture in enumerate(pictures):
            running.append(pool.submit(one, index, picture))
            if len(running) >= AHEAD * concurrency:
                outcome = first()
                progress(done := done + 1)
                yield outcome
        while running:
            outcome = first()
            progress(done := done + 1)
            yield outcome
    finally:
        unwanted.set()
        pool.shutdown(wait=False, cancel_futures=True)  # what is under way ends by itself, for nobody


async def _by_tasks(
    ask: Callable[[Asked], Awaitable[Answer]],
    pictures: Iterable[Asked],
    concurrency: int,
    ordered: bool,
    progress: Progress,
) -> AsyncIterator[Outcome[Asked]]:
    places = asyncio.Semaphore(concurrency)

    async def one(index: int, picture: Asked) -> Outcome[Asked]:
        try:
            async with places:
                return Outcome(index, picture, await ask(picture))
        except (ServiceError, OSError) as error:
            return Outcome(index, picture, error=error)

    async def first() -> Outcome[Asked]:
        if not ordered:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        done = running[0] if ordered else next(task for task in running if task.done())
        running.remove(done)
        return await done

    running: deque[asyncio.Task[Outcome[Asked]]] = deque()
    done = 0
    try:
        for index, picture in enumerate(pictures):
            running.append(asyncio.create_task(one(index, picture)))
            if len(running) >= AHEAD * concurrency:
                outcome = await first()
                progress(done := done + 1)
                yield outcome
        while running:
            outcome = await first()
            progress(done := done + 1)
            yield outcome
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _check(concurrency: int) -> None:
    if concurrency < 1:
        raise ValueError(f"concurrency must be at least 1, not {concurrency}")


def _silent(_done: int) -> None:
    pass
