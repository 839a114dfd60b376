"""Around every request: an id, and one line in the log."""

import logging
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.observing.exchange import Exchange
from service.observing.observer import Observer
from service.telemetry import key_name, problem, request_id, trace_id

HEADER = "x-request-id"
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
LONGEST_PATH = 512  # characters of it that are logged
_QUIET = ("/livez", "/readyz", "/startupz", "/healthz", "/metrics", "/v2/health/live", "/v2/health/ready")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_TRACE_CONTEXT = ("traceparent", "tracestate")
log = logging.getLogger("service.access")


class RequestContext:
    """Takes the caller's request id or makes one, sends it back, and logs the request when it is answered. The name of
    its trace is the caller's own (W3C `traceparent`), or a new one where traces are made.

    is_draining: then every answer is its connection's last, so that what comes next goes to another replica.
    """

    def __init__(
        self,
        app: ASGIApp,
        is_draining: Callable[[], bool] = lambda: False,
        observer: Observer | None = None,
        route_of: Callable[[str], str] = lambda _path: "",
    ) -> None:
        self._app, self._is_draining = app, is_draining
        self._observer, self._route_of = observer or Observer(), route_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        asked = headers.get(HEADER, "")
        own_id = asked if _ACCEPTABLE_ID.fullmatch(asked) else uuid.uuid4().hex
        context = {name: headers[name] for name in _TRACE_CONTEXT if name in headers}
        observed = self._observer.request(scope["method"], scope["path"], own_id, context)
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = own_id
                if self._is_draining():
                    MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        with _told(own_id, observed.trace_id or _trace_of(context)):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                route = self._route_of(scope["path"])
                _log(scope, observed.end(scope["method"], route, status, problem.get()))


def _trace_of(context: Mapping[str, str]) -> str | None:
    """The trace that the caller names, if he does."""
    named = _TRACEPARENT.fullmatch(context.get("traceparent", ""))
    return named[1] if named else None


@contextmanager
def _told(own_id: str, trace: str | None) -> Iterator[None]:
    """For what is logged meanwhile. The guard sets the key's name, and whoever answers with a problem tells of it."""
    own, traced, no_key, no_problem = request_id.set(own_id), trace_id.set(trace), key_name.set(None), problem.set(None)
    try:
        yield
    finally:
        request_id.reset(own)
        trace_id.reset(traced)
        key_name.reset(no_key)
        problem.reset(no_problem)


def _log(scope: Scope, exchange: Exchange) -> None:
    level = logging.DEBUG if scope["path"] in _QUIET else logging.INFO
    extra = {
        "method": scope["method"],
        "path": scope["path"][:LONGEST_PATH],
        "route": exchange.route,
        "status": exchange.status,
        "duration_ms": round(1000 * exchange.took_s, 1),
    }
    log.log(level, "request", extra=extra | ({"code": exchange.problem[0]} if exchange.problem else {}))
