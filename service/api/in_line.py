"""Work that a request waits for in a line of others."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from starlette.requests import Request

from service.api.disconnect import unless_gone
from service.lines import Line

Given = ParamSpec("Given")
Result = TypeVar("Result")


async def in_line(
    request: Request, line: Line, work: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs
) -> Result:
    """What `work` gives, from one of the line's threads. A caller who leaves keeps no place; what was begun is ended.

    Raises:
        Overloaded, ClientDisconnect.
    """

    async def placed() -> Result:
        async with line.place():
            return await line.run(work, *args, **kwargs)

    return await unless_gone(request, placed())
