"""Around every request: an id, and one line in the log."""

import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.telemetry import key_name, request_id

HEADER = "x-request-id"
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
LONGEST_PATH = 512  # characters of it that are logged
_QUIET = ("/livez", "/readyz", "/startupz", "/healthz", "/v2/health/live", "/v2/health/ready")
log = logging.getLogger("service.access")


class RequestContext:
    """Takes the caller's request id or makes one, sends it back, and logs the request when it is answered.

    is_draining: then every answer is its connection's last, so that what comes next goes to another replica.
    """

    def __init__(self, app: ASGIApp, is_draining: Callable[[], bool] = lambda: False) -> None:
        self._app, self._is_draining = app, is_draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope).get(HEADER, "")
        own_id = asked if _ACCEPTABLE_ID.fullmatch(asked) else uuid.uuid4().hex
        token, no_key = request_id.set(own_id), key_name.set(None)
        started_s, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = own_id
                if self._is_draining():
                    MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            duration_ms = round(1000 * (time.perf_counter() - started_s), 1)
            level = logging.DEBUG if scope["path"] in _QUIET else logging.INFO
            path = scope["path"][:LONGEST_PATH]
            extra = {"method": scope["method"], "path": path, "status": status, "duration_ms": duration_ms}
            log.log(level, "request", extra=extra)  # with the name of the key, which the guard has set
            key_name.reset(no_key)
            request_id.reset(token)
