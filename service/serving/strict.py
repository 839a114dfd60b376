"""A stricter h11: nothing is accepted that another server on the way might have understood differently, since a request
that two servers divide differently can hide a second one (RFC 9112, sections 2.2, 5.2, 6.1 and 11.2)."""

import re

import h11

from service.errors import BadRequest, HeadTooLarge, ProtocolUnsupported, ServiceError

VERSIONS = (b"1.0", b"1.1")
FREE_CHUNKS = 1024  # after these a body's chunks hold so many bytes on average: each costs as much as a thousand bytes
LEAST_MEAN_CHUNK = 64
_END = b"\r\n\r\n"
_LINE_FAULTS = re.compile(rb"(?<!\r)\n|\r(?=[^\n])|\n[ \t]")
_BY_HINT = {431: HeadTooLarge, 501: ProtocolUnsupported}


class StrictConnection(h11.Connection):
    """Raises h11.RemoteProtocolError for a bad request, and keeps it as `fault`."""

    def __init__(self, max_head_bytes: int, max_headers: int) -> None:
        super().__init__(h11.SERVER, max_head_bytes)
        self._max_head_bytes, self._max_headers = max_head_bytes, max_headers
        self._chunks = self._chunk_bytes = 0
        self.fault: h11.RemoteProtocolError | None = None

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        try:
            if self.their_state is h11.IDLE:
                self._check_bytes(self.trailing_data[0])
            event = super().next_event()
            if isinstance(event, h11.Request):
                self._check_request(event)
            elif isinstance(event, h11.Data):
                self._check_body(event)
        except h11.RemoteProtocolError as error:
            self.fault = error
            raise
        return event

    @property
    def refusal(self) -> ServiceError:
        """What to tell the caller about `fault`."""
        hint = 400 if self.fault is None else self.fault.error_status_hint
        return _BY_HINT.get(hint, BadRequest)(str(self.fault or "the request is not HTTP"))

    def _check_bytes(self, received: bytes) -> None:
        """The head before it is divided into lines, or as much of it as there is."""
        end = received.find(_END)
        head = received if end < 0 else received[:end]
        if len(head) > self._max_head_bytes:
            raise h11.RemoteProtocolError(f"the head has more than {self._max_head_bytes} bytes", 431)
        if _LINE_FAULTS.search(head):
            raise h11.RemoteProtocolError("a line of the head does not end in CRLF, or is folded")

    def _check_request(self, request: h11.Request) -> None:
        self._chunks = self._chunk_bytes = 0
        names = {name for name, _ in request.headers}
        if request.http_version not in VERSIONS:
            raise h11.RemoteProtocolError("HTTP/1.1 and HTTP/1.0 are spoken here", 501)
        if len(request.headers) > self._max_headers:
            raise h11.RemoteProtocolError(f"the head has more than {self._max_headers} fields", 431)
        if b"transfer-encoding" in names and (b"content-length" in names or request.http_version == b"1.0"):
            raise h11.RemoteProtocolError("Transfer-Encoding with Content-Length or in HTTP/1.0")
        if not request.target.startswith(b"/") and (request.method, request.target) != (b"OPTIONS", b"*"):
            raise h11.RemoteProtocolError("the target must be a path")

    def _check_body(self, data: h11.Data) -> None:
        self._chunks += data.chunk_start
        self._chunk_bytes += len(data.data)
        if self._chunks > FREE_CHUNKS and self._chunk_bytes < self._chunks * LEAST_MEAN_CHUNK:
            raise h11.RemoteProtocolError(f"the body's chunks hold fewer than {LEAST_MEAN_CHUNK} bytes on average")
