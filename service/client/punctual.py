"""A connection on which nothing lasts beyond the end of the call, however many pieces it comes in.

httpx bounds each piece that is received or sent; a server that drips the head of an answer, a byte at a time, would
hold a call for ever. Tasks are ended from outside (`asyncio.timeout`); a thread is not: what it waits for gets less and
less time here.
"""

import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

PIECE_BYTES = 16 * 2**10  # that are sent at a time, each with the time that is left then
_end_s: ContextVar[float | None] = ContextVar("end_s", default=None)


@contextmanager
def over_in(limit_s: float) -> Iterator[None]:
    """What this thread sends and receives meanwhile on connections of punctual clients ends after so many seconds, with
    httpx.ReadTimeout or httpx.WriteTimeout."""
    token = _end_s.set(time.monotonic() + limit_s)
    try:
        yield
    finally:
        _end_s.reset(token)


def make_punctual(client: httpx.Client, closing: threading.Event) -> None:
    """Also the connections to proxies of the environment. httpx has no public way to the network below a client of its
    own making; transports that are not its own are left as they are. closing: set before the client is closed."""
    for transport in (client._transport, *client._mounts.values()):
        pool = getattr(transport, "_pool", None)
        if isinstance(pool, httpcore.ConnectionPool):
            pool._network_backend = Punctual(pool._network_backend, closing)


class Punctual(httpcore.NetworkBackend):
    """A pool that is closed knows nothing of a connection which a thread is making just then: `closing` ends it."""

    def __init__(self, network: httpcore.NetworkBackend, closing: threading.Event) -> None:
        self._network, self._closing = network, closing

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._network.connect_tcp(host, port, timeout, local_address, socket_options)
        return PunctualStream(stream, self._closing)


class PunctualStream(httpcore.NetworkStream):
    """One thread reads and writes; any may close. A socket that is closed under its reader would leave it waiting, even
    for another connection's bytes once the file's number is used again: it is shut down, and its reader closes it."""

    def __init__(self, stream: httpcore.NetworkStream, closing: threading.Event) -> None:
        self._stream, self._closing = stream, closing
        self._lock = threading.Lock()
        self._closed = self._used = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Raises httpcore.ReadTimeout; ReadError once it is closed."""
        with self._use(httpcore.ReadError):
            return self._stream.read(max_bytes, _within(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Raises httpcore.WriteTimeout; WriteError once it or the client is closed."""
        if self._closing.is_set():
            self.close()
        with self._use(httpcore.WriteError):
            for place in range(0, len(buffer), PIECE_BYTES):
                piece = buffer[place : place + PIECE_BYTES]
                self._stream.write(piece, _within(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if not self._used:
                self._stream.close()
            elif connection := self._stream.get_extra_info("socket"):
                with suppress(OSError):  # it is broken already
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return PunctualStream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._closing)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    @contextmanager
    def _use(self, broken: type[httpcore.NetworkError]) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise broken("the connection was closed")
            self._used = True
        try:
            yield
        finally:
            with self._lock:
                self._used = False
                if self._closed:
                    self._stream.close()


def _within(timeout: float | None, late: type[httpcore.TimeoutException]) -> float | None:
    end_s = _end_s.get()
    if end_s is None:
        return timeout
    left_s = end_s - time.monotonic()
    if left_s <= 0:
        raise late("it was still coming at the deadline")
    return left_s if timeout is None else min(left_s, timeout)
