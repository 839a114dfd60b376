"""What commands say on standard error: to people at a terminal, else to programs, a JSON object a line."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.errors import FieldProblem

PROGRESS_EVERY_S = 10.0
errors = Console(stderr=True)  # one for all, so that words and a bar do not write into each other


def say(event: str, words: str, **facts: Any) -> None:
    """`words` for people, `event` and `facts` for programs."""
    if errors.is_terminal:
        errors.print(escape(words), highlight=False, soft_wrap=True)
    else:
        print(json.dumps({"event": event, **facts}), file=sys.stderr, flush=True)  # noqa: T201


def say_error(code: str, detail: str, problems: Sequence[FieldProblem] = ()) -> None:
    """`problems`: the bad fields, whose allowed values are told; for programs as in a problem document."""
    if errors.is_terminal:
        errors.print(f"[red]error[/red] ({code}):", escape(detail))
        for line in allowed_lines(detail, problems):
            errors.print(escape(line), highlight=False, soft_wrap=True)
    else:
        listed = {"errors": [_told(problem) for problem in problems]} if problems else {}
        say("error", detail, code=code, detail=detail, **listed)


def allowed_lines(detail: str, problems: Sequence[FieldProblem]) -> list[str]:
    """What each bad field may hold, where `detail` does not list it itself."""
    named = [(problem.field, ", ".join(problem.allowed or ())) for problem in problems]
    return [f"{field} may be: {values}" for field, values in named if values and values not in detail]


def _told(problem: FieldProblem) -> dict[str, Any]:
    allowed = {} if problem.allowed is None else {"allowed": list(problem.allowed)}
    return {"field": problem.field, "detail": problem.detail, **allowed}


class Steps:
    """How far the work is: a bar for people, now and then an event for programs."""

    def __init__(self, bars: Progress, total: int, done: int) -> None:
        self._bars, self.total, self.done = bars, total, done
        self._task = bars.add_task("pictures", total=total, completed=done)
        self._said_s = time.monotonic()

    def step(self) -> None:
        self.done += 1
        self._bars.advance(self._task)
        if not errors.is_terminal and time.monotonic() - self._said_s >= PROGRESS_EVERY_S:
            self._said_s = time.monotonic()
            say("progress", "", done=self.done, total=self.total)


@contextmanager
def steps(total: int, done: int = 0) -> Iterator[Steps]:
    """`done` of the `total` were there before."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = errors.is_terminal and total > 1
    with Progress(*columns, console=errors, transient=True, disable=not shown) as bars:
        yield Steps(bars, total, done)
