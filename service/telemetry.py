"""What is seen of a running service: structured logs, one object a line with the request's id and never a byte of a
picture or of a secret; whether there is work; and the time that each stage took."""

import json
import logging
import math
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
key_name: ContextVar[str | None] = ContextVar("key_name", default=None)  # of who asks
trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)  # 32 hex digits
problem: ContextVar[tuple[str, str] | None] = ContextVar("problem", default=None)  # code and reason of the answer's
StageSeen = Callable[[str, float, float], None]  # a stage's name, its begin and end in seconds of `perf_counter`
stage_seen: ContextVar[StageSeen | None] = ContextVar("stage_seen", default=None)

BUSY_FOR_S = 1.0
PACE_MEMORY_S = 5.0  # of work, in which what is known loses two thirds of its weight
# Secrets, should a library's message or a caller's own words ever hold one. Bounded, so that no text costs much.
_IS = r"""['"]?\s{0,4}[:=,]\s{0,4}(?:b?['"])?"""
_SECRETS = tuple(
    (re.compile(pattern, re.IGNORECASE), instead)
    for pattern, instead in (
        (r"l2r2_[a-z0-9_-]{43}", "l2r2_***"),
        (r"\b(bearer)\s{1,4}[a-z0-9._~+/=-]{16,512}", r"\1 ***"),
        (rf"((?:authorization|x-api-key|password){_IS}(?:\w{{1,16}}\s{{1,4}})?)[^\s'\",]{{1,512}}", r"\1***"),
        (r"(://[^\s:/@]{0,128}:)[^\s@]{1,256}@", r"\1***@"),
    )
)
_HINT = re.compile(r"l2r2_|bearer|authorization|x-api-key|password|://", re.IGNORECASE)  # each secret has one beside it
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
            **_extras(record),
        }
        if record.exc_info:
            line["exception"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=True)


class TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        extras = " ".join(f"{name}={json.dumps(value)}" for name, value in _extras(record).items())
        message = json.dumps(without_secrets(record.getMessage()))[1:-1]  # a caller's line breaks stay one line
        line = f"{self.formatTime(record)} {record.levelname:<7} {message} {extras}".rstrip()
        return line + self._exception(record)

    def _exception(self, record: logging.LogRecord) -> str:
        """Indented, so that no exception's words can pass for a line of their own, and in ASCII without controls."""
        if not record.exc_info:
            return ""
        lines = without_secrets(self.formatException(record.exc_info)).split("\n")
        return "".join(f"\n    {json.dumps(line)[1:-1]}" for line in lines)


def _extras(record: logging.LogRecord) -> dict[str, object]:
    own = {name: _sayable(value) for name, value in vars(record).items() if name not in _STANDARD}
    current = {"request_id": request_id.get(), "trace_id": trace_id.get(), "key": key_name.get()}
    return own | {name: value for name, value in current.items() if value is not None}


def _sayable(value: object) -> object:
    """What JSON has words for, without secrets."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(name): _sayable(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_sayable(entry) for entry in value]
    return without_secrets(str(value))


def without_secrets(text: str) -> str:
    if _HINT.search(text) is None:
        return text
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


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
    _working: int = 0
    _since_s: float = 0.0  # the last completion, or the beginning of the work
    _worked_s: float = 0.0
    _completions: float = 0.0

    def begin(self) -> None:
        if not self._working:
            self._since_s = self.clock()
        self._working += 1

    def end(self, *, completed: bool) -> None:
        """Not `completed`: given up, or there was nothing to do, which says nothing of the pace."""
        self._working -= 1
        if completed:
            self._worked_s, self._completions = self._with_one_more()
            self._since_s = self.clock()

    @property
    def mean_s(self) -> float | None:
        """None before the first completion. What takes longer than usual counts before its end."""
        if not self._completions:
            return None
        mean_s = self._worked_s / self._completions
        if not self._working:
            return mean_s
        worked_s, completions = self._with_one_more()
        return max(mean_s, worked_s / completions)

    def _with_one_more(self) -> tuple[float, float]:
        """Time worked and completions, if there were one now; both weigh the less the older they are."""
        took_s = self.clock() - self._since_s
        kept = math.exp(-took_s / PACE_MEMORY_S)
        return self._worked_s * kept + took_s, self._completions * kept + 1


@dataclass
class Occupancy:
    """How many are inside. Counted by one thread, read by any."""

    inside: int = 0
    left_s: float = -math.inf

    def enter(self) -> None:
        self.inside += 1

    def leave(self) -> None:
        self.inside, self.left_s = self.inside - 1, time.monotonic()

    @property
    def is_busy(self) -> bool:
        """Also for a moment after the last one left: who comes again and again leaves short gaps."""
        return self.inside > 0 or time.monotonic() - self.left_s < BUSY_FOR_S


@dataclass
class Stopwatch:
    """The time of each stage that took place: what is done at the same time for the same stage counts once. Whoever is
    `stage_seen` when it is made is told of each."""

    clock: Callable[[], float] = time.perf_counter  # seconds
    started_s: float = field(init=False)
    stages_ms: dict[str, float] = field(default_factory=dict)
    _under_way: dict[str, tuple[int, float]] = field(default_factory=dict)  # how often, and since when

    def __post_init__(self) -> None:
        self.started_s = self.clock()
        self._seen = stage_seen.get()

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
                end_s = self.clock()
                self.stages_ms[name] = self.stages_ms.get(name, 0.0) + 1000 * (end_s - start_s)
                if self._seen is not None:
                    self._seen(name, start_s, end_s)

    def read_ms(self) -> dict[str, float]:
        return self.stages_ms | {"total": 1000 * (self.clock() - self.started_s)}
