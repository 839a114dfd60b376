"""What a check finds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from service.errors import ServiceError

State = Literal["ok", "note", "bad"]


@dataclass(frozen=True)
class Check:
    """`note`: works, but could be better, or not yet. `bad`: the service would not start, or not answer. `advice`: what
    to do about either."""

    name: str
    state: State
    found: str
    advice: str | None = None


def checked(name: str, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """A check that ends in an error has found something bad."""
    try:
        yield from look()
    except ServiceError as error:
        yield Check(name, "bad", error.detail)
