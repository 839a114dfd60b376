"""Who is told of a download: nobody, the log, or a bar on the terminal."""

import logging
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress as RichBars
    from rich.progress import TaskID

_LOG = logging.getLogger("service.models.weights")


class Progress(Protocol):
    """One download at a time for each name; `total_bytes` is None where it is not known."""

    def start(self, name: str, total_bytes: int | None) -> None: ...

    def advance(self, name: str, size_bytes: int) -> None: ...

    def finish(self, name: str) -> None: ...


class LogProgress:
    """One line at the start and one at the end of each file: enough for a service's log."""

    def start(self, name: str, total_bytes: int | None) -> None:
        size = "" if total_bytes is None else f" ({total_bytes / 1e6:.1f} MB)"
        _LOG.info("downloading %s%s", name, size)

    def advance(self, name: str, size_bytes: int) -> None:
        pass

    def finish(self, name: str) -> None:
        _LOG.info("downloaded %s", name)


class BarProgress:
    """A bar for each file in a running `rich.progress.Progress`, which the caller opens and closes."""

    def __init__(self, bars: "RichBars") -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def start(self, name: str, total_bytes: int | None) -> None:
        self._tasks[name] = self._bars.add_task(name, total=total_bytes)

    def advance(self, name: str, size_bytes: int) -> None:
        self._bars.advance(self._tasks[name], size_bytes)

    def finish(self, name: str) -> None:
        task = self._bars.tasks[self._bars.task_ids.index(self._tasks[name])]
        self._bars.update(task.id, total=task.completed or 1, completed=task.completed or 1)
