"""Bodies: how large, how slow, and how many at a time."""

import asyncio
from dataclasses import dataclass
from typing import Self

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import problem_response
from service.errors import (
    BadRequest,
    BodyTooLarge,
    Overloaded,
    RequestTimeout,
    ServiceError,
    UnsupportedMediaType,
)
from service.settings import Settings

FULL_RETRY_S = 1


@dataclass(frozen=True)
class BodyBounds:
    """Of one body: bytes, seconds for all of it, seconds without any of it. held_bytes: of all bodies together."""

    max_bytes: int
    timeout_s: float
    pause_s: float
    held_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            settings.max_body_bytes, settings.body_timeout_s, settings.body_pause_s, settings.max_bodies_mb * 2**20
        )


@dataclass
class HeldBodies:
    """Bytes of all bodies that were received, until their requests are answered."""

    bytes: int = 0


class BodyLimit:
    """Refuses a body by its declared length at once, and by what has come of it while it streams in.

    What counts towards the bound of all bodies is what has come: who declares much and sends little takes no room from
    others. A body that outgrows the room that is left is refused in the middle.
    """

    def __init__(self, app: ASGIApp, bounds: BodyBounds, held: HeldBodies) -> None:
        self._app, self._bounds, self._held = app, bounds, held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, headers = _Body(receive, self._bounds, self._held), Headers(scope=scope)
        refusal = _coded(scope, headers) or body.refusal(headers.get("content-length", "0"))
        if refusal is not None:
            await problem_response(refusal)(scope, receive, send)
            return
        try:
            await self._app(scope, body.receive, send)
        finally:
            self._held.bytes -= body.bytes


def _coded(scope: Scope, headers: Headers) -> ServiceError | None:
    """A compressed body's length would say nothing."""
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity") or scope["method"] not in ("POST", "PUT"):
        return None
    return UnsupportedMediaType(f"Content-Encoding {coding[:40]!r} is not accepted; send the body as it is")


class _Body:
    """One request's; it is `complete` when nothing more of it can come."""

    def __init__(self, receive: Receive, bounds: BodyBounds, held: HeldBodies) -> None:
        self._receive, self._bounds, self._held = receive, bounds, held
        self._due_s: float | None = None  # of the event loop's clock
        self.bytes, self._complete = 0, False

    def refusal(self, declared: str) -> ServiceError | None:
        """Why not to read any of it."""
        if not (declared.isascii() and declared.isdecimal()):
            return BadRequest("Content-Length is not a number")
        return self._too_much(int(declared))

    async def receive(self) -> Message:
        """Raises RequestTimeout, BodyTooLarge, Overloaded."""
        if self._complete:
            return await self._receive()
        now_s = asyncio.get_running_loop().time()
        self._due_s = self._due_s or now_s + self._bounds.timeout_s
        try:
            async with asyncio.timeout_at(min(self._due_s, now_s + self._bounds.pause_s)):
                message = await self._receive()
        except TimeoutError:
            raise self._late() from None
        self._complete = not message.get("more_body", False)
        self._add(len(message.get("body", b"")))
        return message

    def _add(self, count: int) -> None:
        refusal = self._too_much(count)
        if refusal is not None:
            raise refusal
        self.bytes += count
        self._held.bytes += count

    def _too_much(self, further: int) -> ServiceError | None:
        """One body alone always finds room."""
        total, others = self.bytes + further, self._held.bytes - self.bytes
        if total > self._bounds.max_bytes:
            detail = f"the body has {total} bytes or more; at most {self._bounds.max_bytes} are accepted"
            return BodyTooLarge(detail)
        if further and others and others + total > self._bounds.held_bytes:
            detail = f"the bodies of other requests take {others} of {self._bounds.held_bytes} bytes"
            return Overloaded(detail, retry_after_s=FULL_RETRY_S, of="bodies")
        return None

    def _late(self) -> RequestTimeout:
        bounds = self._bounds
        return RequestTimeout(
            f"of the body {self.bytes} bytes have come, and no more within {bounds.pause_s:g} s, or not all within "
            f"{bounds.timeout_s:g} s"
        )
