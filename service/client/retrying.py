"""When a refused or broken request is made again, and after how long."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

RETRIED = (429, 502, 503)
MAYBE_DONE = (502,)  # a proxy's: the connection to the service may have broken after the work
LASTING = ("database_corrupt",)  # 503, but nobody's patience mends it
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
BROKEN_OFF = (httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError, httpx.WriteTimeout)


@dataclass(frozen=True)
class Retries:
    """A request and its repetitions take at most `deadline_s`. A connection that is refused or breaks is tried
    `connections` times in all. Without word from the service, waits start at `first_wait_s` and double up to
    `most_wait_s`; `jitter` is the part of a wait that chance adds at most."""

    deadline_s: float = 120.0
    connections: int = 4
    first_wait_s: float = 0.25
    most_wait_s: float = 20.0
    jitter: float = 0.25

    def __post_init__(self) -> None:
        if not (self.deadline_s > 0 and self.connections >= 1 and 0 < self.first_wait_s <= self.most_wait_s):
            raise ValueError(f"these retries cannot be meant: {self}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is a part, 0 to 1, not {self.jitter}")


ONCE = Retries(connections=1)


class Attempts:
    """One request's: what went wrong is told, how long to wait is answered; None where it is not to be made again."""

    def __init__(
        self,
        retries: Retries,
        deadline_s: float | None,
        clock: Callable[[], float],
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`deadline_s` in place of that of `retries`. clock: monotonic seconds. chance: a number in [0, 1)."""
        self._retries, self._clock, self._chance = retries, clock, chance
        self.told = deadline_s is not None
        self.deadline_s = retries.deadline_s if deadline_s is None else deadline_s
        self._end_s = clock() + self.deadline_s
        self._refusals = self._breaks = 0

    @property
    def left_s(self) -> float:
        return max(0.0, self._end_s - self._clock())

    def after_refusal(
        self, status: int, code: str, retry_after_s: float | None, *, repeatable: bool = True
    ) -> float | None:
        """Seconds to wait. A wait beyond the deadline would end in nothing, and is not begun."""
        if status not in RETRIED or code in LASTING or (status in MAYBE_DONE and not repeatable):
            return None
        self._refusals += 1
        return self._within(self._backoff_s(self._refusals) if retry_after_s is None else retry_after_s)

    def after_break(self, error: httpx.RequestError, *, repeatable: bool) -> float | None:
        """Seconds to wait. What may have reached the service is made again only where that does no harm."""
        if not isinstance(error, NEVER_SENT) and not (repeatable and isinstance(error, BROKEN_OFF)):
            return None
        self._breaks += 1
        return self._within(self._backoff_s(self._breaks)) if self._breaks < self._retries.connections else None

    def _backoff_s(self, times: int) -> float:
        return min(self._retries.most_wait_s, self._retries.first_wait_s * 2.0 ** min(times - 1, 60))

    def _within(self, wait_s: float) -> float | None:
        jittered_s = wait_s + self._chance() * self._retries.jitter * max(wait_s, self._retries.first_wait_s)
        return jittered_s if jittered_s < self.left_s else None


def retry_after_s(response: httpx.Response, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float | None:
    """Seconds, from a number of them or an HTTP date; None where there is none that makes sense."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return float(min(int(text), 10**9)) if len(text) < 19 else 1e9
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - now()).total_seconds())
