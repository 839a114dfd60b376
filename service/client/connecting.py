"""What the clients that wait and those that await have in common: address, key, time limits, and one attempt's fate."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from service.access.presenting import key_headers
from service.client.bounding import Bounded
from service.client.calls import Call
from service.client.problems import problem_from, refusal_in, unreachable, without_userinfo
from service.client.retrying import Attempts, Retries, retry_after_s
from service.errors import ServiceError, ServiceUnreachable

DEFAULT_URL = "http://127.0.0.1:8000"
DEADLINE_HEADER = "X-Request-Timeout-Ms"


@dataclass(frozen=True)
class Timeouts:
    """Seconds for one attempt: to connect, to send and to receive a piece, and to wait for a free connection. Receiving
    includes the service's work, so it should be longer than the service's own limit. However many pieces there are, all
    of it ends with the call's `deadline_s`, or that of `Retries`."""

    connect_s: float = 10.0
    read_s: float = 90.0
    write_s: float = 60.0
    pool_s: float = 90.0

    def within(self, left_s: float, patience_s: float | None = None) -> httpx.Timeout:
        """Of an attempt when `left_s` are left; `patience_s` takes the place of `read_s`, however little is left."""
        limits = (self.connect_s, self.read_s, self.write_s, self.pool_s)
        connect_s, read_s, write_s, pool_s = (max(0.001, min(limit_s, left_s)) for limit_s in limits)
        return httpx.Timeout(connect=connect_s, read=patience_s or read_s, write=write_s, pool=pool_s)


@dataclass(frozen=True)
class Connection:
    """Where the service is and how it is asked."""

    url: str
    headers: Mapping[str, str]
    timeouts: Timeouts
    retries: Retries

    @classmethod
    def to(cls, url: str, key: str | None, timeouts: Timeouts | None, retries: Retries | None) -> "Connection":
        """Raises BadRequest for a key that no header can hold, ServiceUnreachable for what is no address."""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise unreachable(url, error) from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ServiceUnreachable(f"{without_userinfo(url)!r} is no address of a service, such as {DEFAULT_URL}")
        return cls(url.rstrip("/"), key_headers(key), timeouts or Timeouts(), retries or Retries())

    def attempts(self, deadline_s: float | None) -> Attempts:
        return Attempts(self.retries, deadline_s, time.monotonic)

    def request(self, call: Call[Any], attempts: Attempts) -> dict[str, Any]:
        """Of one attempt, as httpx takes it."""
        headers = dict(self.headers)
        if call.promises:
            headers[DEADLINE_HEADER] = str(max(1, int(attempts.left_s * 1000)))
        return {
            "method": call.method,
            "url": self.url + call.path,
            "headers": headers,
            "timeout": self.timeouts.within(attempts.left_s, _patience_s(call, attempts)),
            **call.content,
        }

    def limit_s(self, call: Call[Any], attempts: Attempts) -> float:
        """Of one attempt as a whole, in however many pieces it goes and comes."""
        return _patience_s(call, attempts) or attempts.left_s

    def bound(self, call: Call[Any], attempts: Attempts, response: httpx.Response) -> httpx.Response:
        """An answer that has begun, which ends by the deadline too; long work is over then, and need not."""
        if attempts.told or call.patience_s is None:
            response.stream = Bounded(response.stream, attempts)
        return response

    def fate(
        self, call: Call[Any], attempts: Attempts, outcome: httpx.Response | httpx.RequestError
    ) -> tuple[ServiceError, float | None]:
        """What went wrong, and after how many seconds to try again; None: not at all."""
        if isinstance(outcome, httpx.Response):
            wanted_s = retry_after_s(outcome)
            refusal = refusal_in(outcome, None if wanted_s is None else round(wanted_s))
            wait_s = attempts.after_refusal(refusal.status, refusal.code, wanted_s, repeatable=call.repeatable)
            return refusal, wait_s
        limit_s = _patience_s(call, attempts) or attempts.deadline_s
        return self._gone(outcome, limit_s), attempts.after_break(outcome, repeatable=call.repeatable)

    def _gone(self, error: httpx.RequestError, limit_s: float) -> ServiceError:
        if isinstance(error, httpx.ReadTimeout):
            detail = f"no answer from {without_userinfo(self.url)} in time (at most {limit_s:g} s)"
            return problem_from({"code": "deadline_exceeded", "detail": detail}, 504)
        return unreachable(self.url, error)


def _patience_s(call: Call[Any], attempts: Attempts) -> float | None:
    """For long work: one attempt may last longer than repetitions are begun, unless the caller names a deadline."""
    if call.patience_s is None or not attempts.told:
        return call.patience_s
    return max(0.001, min(call.patience_s, attempts.left_s))
