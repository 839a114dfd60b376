"""Work on all processors, its results in order."""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Protocol, TypeVar

from service.errors import ServiceError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Spread(Protocol):
    def __call__(self, function: Callable[[Item], Result], items: Sequence[Item], /) -> Iterator[Result]: ...


@contextmanager
def spread_over(workers: int) -> Iterator[Spread]:
    """`map` in this process for one worker, else in `workers` others, which start when there is something to do.

    Raises:
        ServiceError: a worker died.
    """
    if workers == 1:
        yield map
        return
    # Spawned: a fork would share the models' threads and locks. An interrupt is the parent's to handle.
    ignore = (signal.SIGINT, signal.SIG_IGN)
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=signal.signal, initargs=ignore)
    try:
        yield pool.map
    except BrokenProcessPool:
        raise ServiceError(
            "a worker process died, perhaps for want of memory: run this again with fewer workers, it will go on"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
