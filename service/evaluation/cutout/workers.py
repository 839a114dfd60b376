"""The processes that compose and encode."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from threading import Thread

from service.errors import WorkerEnded


@contextmanager
def worker_pool(workers: int) -> Iterator[Executor]:
    """So many processes, or for 0 one thread of this process. Processes start afresh (spawn): a fork would copy the
    locks of the models' threads.

    Raises:
        WorkerEnded: a process was ended from outside.
    """
    if workers == 0:
        with ThreadPoolExecutor(1, thread_name_prefix="cutout") as thread:
            yield thread
        return
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin) as processes:
            yield processes
    except BrokenProcessPool:
        raise WorkerEnded("a worker process was ended, perhaps for lack of memory; try fewer workers") from None


def _begin() -> None:
    """The terminal's interrupt is for the main process, which lets the workers finish; they do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
