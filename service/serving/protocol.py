"""uvicorn's h11 protocol with bounds: on time, on heads, on connections, and on what is read in vain."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.errors import Overloaded, RequestTimeout, ServiceError
from service.serving.crowd import Crowd
from service.serving.farewell import Farewell
from service.serving.limits import ConnectionLimits
from service.serving.refusal import wire_form
from service.serving.strict import StrictConnection

LINGER_BYTES = 2**20  # of a body whose answer is there: after these it goes on, but not the connection
UNDECLARED_BYTES = 4 * 2**20  # of what nobody said the length of: its end may never come
FULL_RETRY_S = 1
log = logging.getLogger("service.access")
_faults_alone = logging.getLogger("uvicorn.error.connections")  # what strangers send is told of here, a line for each
_faults_alone.setLevel(logging.ERROR)


def bounded_protocol(
    limits: ConnectionLimits, on_refusal: Callable[[ServiceError], None] = lambda _error: None
) -> type["BoundedProtocol"]:
    """The protocol of one server, whose connections are counted together in its `crowd`. `on_refusal` is told of what
    no application gets to see."""
    members = {"limits": limits, "crowd": Crowd(limits.max_connections), "on_refusal": staticmethod(on_refusal)}
    return cast(type[BoundedProtocol], type("Bounded", (BoundedProtocol,), members))


class BoundedProtocol(H11Protocol):
    """Who still sends when his connection is to end gets a farewell, so that no reset takes the answer from him."""

    limits: ConnectionLimits
    crowd: Crowd
    on_refusal: Callable[[ServiceError], None]
    transport: asyncio.Transport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn: StrictConnection = StrictConnection(self.limits.max_head_bytes, self.limits.max_headers)
        self.logger = _faults_alone
        self._farewell: Farewell | None = None
        self._in_vain_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._cycle_transport = cast(asyncio.Transport, _CycleTransport(transport, self._end))
        transport.set_write_buffer_limits(high=0)  # so that any byte that the caller does not take is told of
        if self.crowd.admit(self):
            self._head_timer = self.loop.call_later(self.limits.head_timeout_s, self._head_is_late)
        else:
            self._refuse(
                Overloaded("too many connections, each with a request", retry_after_s=FULL_RETRY_S, of="connections")
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.leave(self)
        self._head_timer = _cancelled(self._head_timer)
        self._write_timer = _cancelled(self._write_timer)
        if self._farewell is not None:
            self._farewell.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._farewell is None and self._is_answered and self.conn.their_state is h11.SEND_BODY:
            self._in_vain_bytes += len(data)
            if self._in_vain_bytes > LINGER_BYTES:
                self._part()
        if self._farewell is None:
            super().data_received(data)
        else:
            self._farewell.received(len(data))

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None:
            self.cycle.transport = self._cycle_transport
        self._settle()

    def on_response_complete(self) -> None:
        # Asked before another request takes its place
        unknown = self.conn.their_state is h11.SEND_BODY and any(name == b"expect" for name, _ in self.headers)
        super().on_response_complete()
        if unknown:
            self._part()  # whether the caller will send the body he asked about cannot be known
        self._settle()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        self._refuse(self.conn.refusal)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self._write_timer or self.loop.call_later(self.limits.write_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._write_timer = _cancelled(self._write_timer)

    def shutdown(self) -> None:
        if self._farewell is not None:
            self.transport.close()
        else:
            super().shutdown()

    def make_room(self) -> None:
        self.transport.abort()

    @property
    def _is_answered(self) -> bool:
        """No request is in progress."""
        return self.cycle is None or self.cycle.response_complete

    def _settle(self) -> None:
        """Who has no request in progress may have to make room, and has begun a head or must end a body in time."""
        if self._farewell is not None or self.transport.is_closing():
            return
        idle = self._is_answered
        self.crowd.set_idle(self, idle)
        if not idle:
            self._in_vain_bytes = 0
        if not idle or not (self.conn.their_state is h11.SEND_BODY or self.conn.trailing_data[0]):
            self._head_timer = _cancelled(self._head_timer)
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.limits.head_timeout_s, self._head_is_late)

    def _head_is_late(self) -> None:
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(RequestTimeout(f"the head did not arrive within {self.limits.head_timeout_s:g} s"))
        else:
            self._end()

    def _refuse(self, error: ServiceError) -> None:
        """Answer and part; only part where the application has begun to answer already."""
        if self.transport.is_closing() or self._farewell is not None:
            return
        begun = self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE)
        if not begun:
            response, own_id = wire_form(error, self.server_state.default_headers)
            extra = {"code": error.code, "status": error.status, "detail": error.detail, "request_id": own_id}
            log.info("refused", extra=extra)
            self.on_refusal(error)
            self.transport.write(response)
        self._part()

    def _end(self) -> None:
        if self.conn.their_state is h11.SEND_BODY:
            self._part()
        else:
            self.transport.close()

    def _part(self) -> None:
        """Say no more, and close when the caller has, or after a while."""
        if self._farewell is not None or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        self._head_timer = _cancelled(self._head_timer)
        self.crowd.set_idle(self, True)
        if self.cycle is not None:
            self.cycle.disconnected = True  # the application works for nobody
            self.cycle.message_event.set()
        self.flow.resume_reading()
        self._farewell = Farewell(self.transport, self.loop, self._most_in_vain())

    def _most_in_vain(self) -> int:
        """Bytes: enough for the whole of a body that is not much larger than is allowed; of what is, no more."""
        declared = dict(self.headers or ()).get(b"content-length") if self.conn.their_state is h11.SEND_BODY else None
        if declared is None:
            return UNDECLARED_BYTES
        enough = 2 * self.limits.max_body_bytes
        return enough if int(declared) <= enough else LINGER_BYTES - self._in_vain_bytes


class _CycleTransport:
    """What the application's answer is written to; `end` closes the connection in its own way."""

    def __init__(self, transport: asyncio.Transport, end: Callable[[], None]) -> None:
        self.write, self.is_closing, self.close = transport.write, transport.is_closing, end


def _cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    if timer is not None:
        timer.cancel()
    return None
