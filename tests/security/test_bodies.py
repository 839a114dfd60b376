"""Bodies that are too large, too slow, too many or cut short, over real sockets."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI, Request
from listening import WAIT_S, Listening, listening, until  # type: ignore[import-not-found]

from service.api import problems
from service.api.body_limits import BodyBounds, BodyLimit, HeldBodies
from service.serving.protocol import LINGER_BYTES

BOUNDS = BodyBounds(max_bytes=100_000, timeout_s=0.6, pause_s=0.2, held_bytes=150_000)
GIGABYTE = 2**30
SOCKET_BUFFERS = 12 * 2**20  # what both ends of a local connection may hold
PART = bytes(2**16)


@dataclass
class Door:
    """An application behind the limits; `/held` waits at a gate with its body in hand, `/unread` never asks for it."""

    held: HeldBodies = field(default_factory=HeldBodies)
    open: threading.Event = field(default_factory=threading.Event)
    read_bytes: int = 0
    inside: int = 0

    def app(self) -> FastAPI:
        app = FastAPI()
        app.add_middleware(BodyLimit, bounds=BOUNDS, held=self.held)
        problems.install(app)

        @app.post("/{place}")
        async def read(request: Request, place: str) -> int:
            self.inside += 1
            try:
                length = 0
                if place != "unread":
                    async for part in request.stream():
                        length += len(part)
                        self.read_bytes += len(part)
                if place == "held":
                    await asyncio.to_thread(self.open.wait, WAIT_S)
                return length
            finally:
                self.inside -= 1

        return app


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def server(door: Door) -> Iterator[Listening]:
    with listening(door.app()) as started:
        yield started
        door.open.set()
    assert (door.held.bytes, door.inside, started.crowd.size) == (0, 0, 0)


def head(length: int | None, path: str = "read") -> bytes:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"POST /{path} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n".encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def pour(connection: socket.socket, part: bytes, most: int) -> int:
    """How many bytes were taken until the other side would not any more."""
    sent = 0
    while sent < most:
        try:
            sent += connection.send(part)
        except (ConnectionError, TimeoutError):
            break
    return sent


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("path", ["read", "unread"])
def test_of_a_gigabyte_little_is_read(server: Listening, door: Door, declared: bool, path: str) -> None:
    with server.caller() as caller:
        caller.connection.settimeout(2)
        caller.say(head(GIGABYTE if declared else None, path))
        taken = pour(caller.connection, PART if declared else chunk(PART), GIGABYTE)
        assert taken < LINGER_BYTES + SOCKET_BUFFERS
        answer = caller.answer()
        assert answer.status == (200 if path == "unread" and not declared else 413)
        assert b"body_too_large" in answer.body or path == "unread"
        assert caller.is_ended()
    assert door.read_bytes <= (0 if declared else BOUNDS.max_bytes)
    with server.caller() as other:
        assert other.say(head(3) + b"abc").answer().body == b"3"


def test_a_refused_body_that_is_small_leaves_the_connection_usable(server: Listening) -> None:
    with server.caller() as caller:
        for _ in range(3):
            assert caller.say(head(BOUNDS.max_bytes + 1) + bytes(BOUNDS.max_bytes + 1)).answer().status == 413
            assert caller.say(head(3) + b"abc").answer().body == b"3"


@pytest.mark.parametrize("framed", [head(1000), head(None)])
def test_a_body_that_pauses_is_refused(server: Listening, framed: bytes) -> None:
    with server.caller() as caller:
        answer = caller.say(framed + (chunk(b"abc") if b"chunked" in framed else b"abc")).answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert b"request_timeout" in answer.body
        assert b"3 bytes have come" in answer.body
        assert caller.is_ended()


def test_a_body_that_drips_is_refused_when_its_time_is_over(server: Listening) -> None:
    answers: list[Any] = []
    with server.caller() as caller:
        caller.say(head(1000))
        listener = threading.Thread(target=lambda: answers.append(caller.answer()))
        listener.start()
        dripped = 0
        while listener.is_alive():
            try:
                caller.say(b"a")
            except ConnectionError:
                break
            dripped += 1
            listener.join(BOUNDS.pause_s / 10)
        listener.join(WAIT_S)
        assert answers[0].status == 408
        assert dripped > BOUNDS.timeout_s / BOUNDS.pause_s


def test_more_than_all_bodies_may_take_is_refused_unread_and_room_comes_back(server: Listening, door: Door) -> None:
    size = 90_000
    with server.caller() as first, server.caller() as second, server.caller() as third:
        first.say(head(size, "held") + bytes(size))
        until(lambda: door.held.bytes == size)
        answer = second.say(head(size)).answer()  # none of whose body was sent
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert b"overloaded" in answer.body
        answer = third.say(head(None) + chunk(bytes(size))).answer()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        door.open.set()
        assert first.answer().body == b"%d" % size
        until(lambda: not door.held.bytes)
        with server.caller() as later:
            assert later.say(head(size) + bytes(size)).answer().body == b"%d" % size


def test_who_declares_much_and_sends_nothing_takes_no_room(server: Listening) -> None:
    idle = [server.caller().say(head(BOUNDS.max_bytes)) for _ in range(10)]
    with server.caller() as other:
        assert other.say(head(90_000) + bytes(90_000)).answer().body == b"90000"
    for caller in idle:
        caller.connection.close()


@pytest.mark.parametrize("framed", [head(1000), head(1000) + b"abc", head(None), head(None) + b"ff\r\nabc"])
def test_a_body_cut_short_leaves_nothing_behind(server: Listening, door: Door, framed: bytes) -> None:
    with server.caller() as caller:
        caller.say(framed)
        until(lambda: door.inside == 1)
        if b"abc" in framed:
            until(lambda: door.held.bytes == 3)
    until(lambda: (door.held.bytes, door.inside, server.crowd.size) == (0, 0, 0))


def test_who_leaves_before_his_answer_leaves_nothing_behind(server: Listening, door: Door) -> None:
    with server.caller() as caller:
        caller.say(head(3, "held") + b"abc")
        until(lambda: door.held.bytes == 3)
    until(lambda: server.crowd.size == 0)
    door.open.set()
    until(lambda: (door.held.bytes, door.inside) == (0, 0))
