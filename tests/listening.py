"""The server as it is served, in a thread of this process, and callers who speak to its socket byte by byte."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from service.serving.crowd import Crowd
from service.serving.options import connection_options
from service.settings import load_settings

WAIT_S = 20
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Listening:
    port: int
    crowd: Crowd

    def caller(self) -> "Caller":
        return Caller(socket.create_connection(("127.0.0.1", self.port), WAIT_S))


@contextmanager
def listening(app: Any, lifespan: str = "off", **settings: Any) -> Iterator[Listening]:
    options = connection_options(load_settings(**settings))
    config = uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan=lifespan, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        yield Listening(server.servers[0].sockets[0].getsockname()[1], options["http"].crowd)
    finally:
        server.should_exit = True
        thread.join(WAIT_S)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Caller:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection, self._received = connection, b""

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def say(self, data: bytes) -> "Caller":
        self.connection.sendall(data)
        return self

    def answer(self) -> Answer:
        """The next one. Raises EOFError where the connection ends before."""
        while HEAD_END not in self._received:
            self._read()
        head, _, self._received = self._received.partition(HEAD_END)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        status = int(first.split()[1])
        length = 0 if status < 200 else int(headers["content-length"])
        while len(self._received) < length:
            self._read()
        body, self._received = self._received[:length], self._received[length:]
        return Answer(status, headers, body)

    def is_ended(self) -> bool:
        """Waits for the end; false if something else comes."""
        try:
            self._read()
        except EOFError:
            return not self._received
        return False

    def _read(self) -> None:
        try:
            data = self.connection.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            raise EOFError
        self._received += data


@dataclass
class Recorder:
    """An application that reads bodies and answers with their length; it keeps what it saw, and may be held."""

    seen: list[tuple[str, str]] = field(default_factory=list)  # method and path
    body_bytes: int = 0
    gone: int = 0  # callers who left before their body's end
    reads: bool = True
    open: threading.Event = field(default_factory=threading.Event)
    inside: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append((scope["method"], scope["path"]))
        self.inside += 1
        try:
            length = await self._read(receive) if self.reads else 0
            if scope["path"] == "/held":
                await asyncio.to_thread(self.open.wait, WAIT_S)
            text = b"%d" % length
            if scope["path"] == "/large":
                text = bytes(20_000_000)
            headers = [(b"content-length", b"%d" % len(text))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": text})
        finally:
            self.inside -= 1

    async def _read(self, receive: Any) -> int:
        length = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone += 1
                return length
            length += len(message["body"])
            self.body_bytes += len(message["body"])
            if not message["more_body"]:
                return length


def until(true: Callable[[], object]) -> None:
    """Waits until it is true, which another thread sees to."""
    end_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end_s, "it did not come true"
        threading.Event().wait(0.005)
