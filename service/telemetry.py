"""What is seen of a running service: structured logs, one object a line with the request's id and never a byte of a
picture; whether there is work; and the time that each stage took."""

import contextvars
import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

request_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id", default=None)

BUSY_FOR_S = 1.0
PACE_MEMORY_S = 5.0  # of work, in which what is known loses two thirds of its weight
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extras(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True, default=str)


class TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        extras = " ".join(f"{name}={json.dumps(value, default=str)}" for name, value in _extras(record).items())
        message = json.dumps(record.getMessage())[1:-1]  # a caller's line breaks stay one line
        line = f"{self.formatTime(record)} {record.levelname:<7} {message} {extras}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _extras(record: logging.LogRecord) -> dict[str, object]:
    own = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    current = request_id.get()
    return own | ({"request_id": current} if current else {})


def configure_logging(level: str, line_format: str) -> None:
    """Send all logs to standard error in one format; libraries speak from warning up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if line_format == "json" else TextLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("service", "uvicorn"):
        logger = logging.getLogger(name)
        logger.setLevel(level.upper())
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)  # the service writes its own access lines
    logging.captureWarnings(True)


@dataclass
class Pace:
    """The mean time from one completion to the next while there is work, mostly of the last few seconds."""

    clock: Callable[[], float] = time.monotonic  # seconds
    _since_s: float = 0.0  # the last completion, or the beginning of the work
    _worked_s: float = 0.0
    _completions: float = 0.0

    def begin(self) -> None:
        """There is work where there was none."""
        self._since_s = self.clock()

    def complete(self) -> None:
        self._worked_s, self._completions = self._with_one_more()
        self._since_s = self.clock()

    @property
    def mean_s(self) -> float | None:
        """While there is work; None before the first completion. What takes longer than usual counts before its end."""
        if not self._completions:
            return None
        worked_s, completions = self._with_one_more()
        return max(self._worked_s / self._completions, worked_s / completions)

    def _with_one_more(self) -> tuple[float, float]:
        """Time worked and completions, if there were one now; both weigh the less the older they are."""
        took_s = self.clock() - self._since_s
        kept = math.exp(-took_s / PACE_MEMORY_S)
        return self._worked_s * kept + took_s, self._completions * kept + 1


@dataclass
class Occupancy:
    """How many are inside, and how fast they are done with. Counted by one thread, read by any."""

    inside: int = 0
    left_s: float = -math.inf
    pace: Pace = field(default_factory=Pace)

    def enter(self) -> None:
        if not self.inside:
            self.pace.begin()
        self.inside += 1

    def leave(self, *, worked: bool = False) -> None:
        """`worked`: it was done with as usual; those who left early or for whom nothing was to be done say nothing."""
        if worked:
            self.pace.complete()
        self.inside, self.left_s = self.inside - 1, time.monotonic()

    @property
    def is_busy(self) -> bool:
        """Also for a moment after the last one left: who comes again and again leaves short gaps."""
        return self.inside > 0 or time.monotonic() - self.left_s < BUSY_FOR_S


@dataclass
class Stopwatch:
    """The time of each stage that took place: what is done at the same time for the same stage counts once."""

    clock: Callable[[], float] = time.perf_counter  # seconds
    started_s: float = field(init=False)
    stages_ms: dict[str, float] = field(default_factory=dict)
    _under_way: dict[str, tuple[int, float]] = field(default_factory=dict)  # how often, and since when

    def __post_init__(self) -> None:
        self.started_s = self.clock()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """For one thread, or the tasks of one event loop."""
        under_way, start_s = self._under_way.get(name, (0, self.clock()))
        self._under_way[name] = under_way + 1, start_s
        try:
            yield
        finally:
            under_way, start_s = self._under_way.pop(name)
            if under_way > 1:
                self._under_way[name] = under_way - 1, start_s
            else:
                self.stages_ms[name] = self.stages_ms.get(name, 0.0) + 1000 * (self.clock() - start_s)

    def read_ms(self) -> dict[str, float]:
        return self.stages_ms | {"total": 1000 * (self.clock() - self.started_s)}
