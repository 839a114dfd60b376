"""Works of one request beside each other, and beside the event loop."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Executor
from typing import Any, ParamSpec, TypeVar

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


async def all_of(works: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Their results, in order; when one fails the others are cancelled, and its error is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


async def done_here_or_in(
    pool: Executor, here: bool, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """The result of `work`: done here where that takes less time than a thread of the pool takes to begin."""
    return work(*args, **kwargs) if here else await done_in(pool, work, *args, **kwargs)


def done_in(
    pool: Executor, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> asyncio.Future[Result]:
    """The future result of `work`, done in a thread of the pool."""
    return asyncio.wrap_future(pool.submit(work, *args, **kwargs))
