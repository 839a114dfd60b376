"""The load generator against a small server whose answers the test holds back and lets go."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service.bench.http_client import Connection, ConnectionLost, Pool, head_of
from service.bench.load import Record, closed_loop, open_loop
from service.bench.pictures import drawn, jpeg
from service.bench.request import Request

pytestmark = pytest.mark.anyio
ANSWER = b'{"fallback":null}'


class Doorman:
    """An HTTP server that keeps what it was sent, and answers when it may."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.connections = 0
        self.most_at_once = self.at_once = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.status: Callable[[int], int] = lambda _number: 200
        self.closes_after: int | None = None
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        answered = 0
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                _, headers = head_of(b"HTTP/1.1 0 \r\n" + head.split(b"\r\n", 1)[1])
                self.bodies.append(await reader.readexactly(int(headers["content-length"])))
                number = len(self.bodies)
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                await self.may_answer.wait()
                self.at_once -= 1
                writer.write(f"HTTP/1.1 {self.status(number)} Said\r\ncontent-length: {len(ANSWER)}\r\n\r\n".encode())
                writer.write(ANSWER)
                await writer.drain()
                answered += 1
                if answered == self.closes_after:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the caller left
        finally:
            writer.close()


@asynccontextmanager
async def doorman() -> AsyncIterator[Doorman]:
    door = Doorman()
    server = await asyncio.start_server(door.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    door.url = f"http://{host}:{port}/classify"
    try:
        yield door
    finally:
        server.close()


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(drawn(32, 24)))
    return str(path)


async def test_a_closed_loop_keeps_so_many_callers_asking_over_kept_connections(picture: str) -> None:
    async with doorman() as door:
        record = await closed_loop(Request(door.url, [picture], expects='"fallback":null'), 4, 0.0, 20)
    assert door.most_at_once <= 4
    assert door.connections == 4
    assert record.statuses.keys() == {"200"}
    assert len(record.waits_s) == 20  # the first four open the window, what comes after it is not counted
    assert 24 <= record.statuses["200"] <= 27
    assert record.unexpected == 0


async def test_every_picture_is_sent_in_bytes_of_its_own(picture: str) -> None:
    async with doorman() as door:
        await closed_loop(Request(door.url, [picture]), 2, 0.0, 10)
        assert len(set(door.bodies)) == len(door.bodies)
        seen = len(door.bodies)
        await closed_loop(Request(door.url, [picture], distinct=False), 2, 0.0, 10)
        assert len(set(door.bodies[seen:])) == 1


async def test_errors_are_counted_by_status_and_none_of_them_is_a_wait(picture: str) -> None:
    async with doorman() as door:
        door.status = lambda number: 503 if number % 2 else 200
        record = await closed_loop(Request(door.url, [picture], expects="null"), 1, 0.0, 5)
    assert len(record.waits_s) == 5
    assert record.statuses["503"] >= 5
    assert record.unexpected == 0


async def test_an_answer_that_says_something_else_than_hoped_for_is_no_wait(picture: str) -> None:
    async with doorman() as door:
        record = await closed_loop(Request(door.url, [picture], expects="something else"), 2, 0.0, 5)
    assert record.waits_s == []
    assert record.unexpected == record.statuses["200"] < 100
    assert record.first_error == '200 {"fallback":null}'


def test_a_load_of_a_count_goes_on_for_hours_and_one_of_a_length_does_not() -> None:
    now_s = 0.0
    counted, timed = Record("", 1, 0.0, 5000, lambda: now_s), Record("", 1, 3.0, 5000, lambda: now_s)
    for now_s in range(5000):
        counted.add(now_s, "200")
        timed.add(now_s, "200")
    assert (len(counted.waits_s), counted.full) == (4999, False)
    assert (len(timed.waits_s), timed.full) == (90, True)
    counted.add(now_s, "200")
    assert counted.full


async def test_a_server_that_refuses_everything_is_soon_left_alone(picture: str) -> None:
    async with doorman() as door:
        door.status = lambda _number: 422
        record = await closed_loop(Request(door.url, [picture]), 2, 1000.0, 5)
    assert record.waits_s == []
    assert record.statuses.keys() == {"422"}
    assert record.statuses["422"] < 100
    assert record.first_error == '422 {"fallback":null}'


async def test_a_caller_whose_connection_is_refused_leaves(picture: str) -> None:
    async with doorman() as door:
        url = door.url
    record = await closed_loop(Request(url, [picture]), 3, 0.0, 5)
    assert record.waits_s == []
    assert sum(record.statuses.values()) == 3


async def test_an_open_loop_sends_on_though_nothing_comes_back_and_counts_from_the_time_due(picture: str) -> None:
    async with doorman() as door:
        door.may_answer.clear()
        arrivals_s = [0.01, 0.02, 0.03, 0.04]
        loading = asyncio.create_task(open_loop(Request(door.url, [picture]), arrivals_s))
        while door.at_once < 4:  # all are sent, none is answered
            await asyncio.wait([loading], timeout=0.01)
        released_s = asyncio.get_running_loop().time()
        door.may_answer.set()
        record = await loading
    assert released_s > 0
    assert record.statuses == {"200": 4}
    waits_s = sorted(record.waits_s, reverse=True)
    # Answered together, they waited for as much longer as they were due earlier.
    assert waits_s[0] - waits_s[3] == pytest.approx(0.03, abs=0.02)
    assert waits_s[3] > 0


async def test_what_an_open_loop_gives_up_is_a_wait_as_long_as_it_lasted_and_no_answer(picture: str) -> None:
    async with doorman() as door:
        door.may_answer.clear()
        record = await open_loop(Request(door.url, [picture]), [0.0, 0.02, 0.04], last_answers_s=0.1)
        door.may_answer.set()
    assert record.statuses == {"unanswered": 3}
    assert record.unanswered == 3
    waits_s = sorted(record.waits_s)
    assert waits_s[0] >= 0.1
    assert waits_s[2] - waits_s[0] == pytest.approx(0.04, abs=0.02)


async def test_a_connection_that_was_closed_while_idle_is_replaced(picture: str) -> None:
    async with doorman() as door:
        door.closes_after = 1
        messages = Request(door.url, [picture]).messages()
        pool = Pool(*Request(door.url, [picture]).address)
        assert [(await pool.ask(next(messages)))[0] for _ in range(3)] == [200] * 3
        assert door.connections == 3
        await pool.close()


async def test_a_connection_that_ends_before_an_answer_is_lost(picture: str) -> None:
    async with doorman() as door:
        door.closes_after = 1
        request = Request(door.url, [picture])
        connection = await Connection.open(*request.address)
        await connection.ask(next(request.messages()))
        with pytest.raises((ConnectionLost, ConnectionError)):
            await connection.ask(next(request.messages()))
        await connection.close()


def test_the_head_of_an_answer_is_read() -> None:
    head = b"HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\nX-A:b:c\r\n\r\n"
    assert head_of(head) == (404, {"content-length": "12", "x-a": "b:c"})
