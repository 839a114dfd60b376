"""Who sends all of his body before he reads gets his refusal, over real sockets; who never ends is not heard long."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest
from listening import WAIT_S, Listening, Recorder, listening, until  # type: ignore[import-not-found]

from service.access.keyfile import add_key
from service.access.keys import new_key, new_secret
from service.app import create_app
from service.serving.farewell import Farewell
from service.settings import load_settings

LONG, SHORT = 20 * 10**6, 4 * 10**6  # bytes: more than a connection's buffers hold; as much as is read without a length
SHORT_S = 0.2
KEEP, CLOSE = "keep-alive", "close"


def sent(path: str, length: int, connection: str = KEEP, chunked: bool = False) -> bytes:
    """A whole request."""
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {length}"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\nConnection: {connection}\r\n\r\n".encode()
    return head + (b"%x\r\n%b\r\n0\r\n\r\n" % (length, bytes(length)) if chunked else bytes(length))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    """The application, which never loads its models, for bodies of less than LONG."""
    bound = {"max_body_bytes": 16 * 2**20}
    with listening(create_app(load_settings(data_dir=tmp_path_factory.mktemp("small"), **bound)), **bound) as server:
        yield server


@pytest.fixture(scope="module")
def anonymous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    with listening(create_app(load_settings(data_dir=tmp_path_factory.mktemp("anonymous")))) as server:
        yield server


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    folder = tmp_path_factory.mktemp("keyed")
    add_key(folder / "keys.json", new_key("one", new_secret(), scopes=("classify",)))
    with listening(create_app(load_settings(data_dir=folder, keys_file=folder / "keys.json"))) as server:
        yield server


def refused(server: Listening, request: bytes, status: int, code: bytes) -> None:
    with server.caller() as caller:
        answer = caller.say(request).answer()  # all of it is taken before anything is read
        assert (answer.status, code in answer.body) == (status, True)
        assert caller.is_ended()


@pytest.mark.parametrize("connection", [KEEP, CLOSE])
def test_a_refusal_is_read_after_all_was_sent(
    small: Listening, keyed: Listening, anonymous: Listening, connection: str
) -> None:
    refused(keyed, sent("/classify", LONG, connection), 401, b"unauthorized")
    refused(small, sent("/classify", LONG, connection), 413, b"body_too_large")
    refused(anonymous, sent("/nowhere", LONG, connection), 404, b"not_found")
    refused(anonymous, sent("/classify", LONG, connection), 503, b"not_ready")
    refused(anonymous, sent("/nowhere", SHORT, connection, chunked=True), 404, b"not_found")


def test_who_sends_more_than_is_waited_for_gets_his_answer_when_he_is_through() -> None:
    with listening(Recorder(reads=False), head_timeout_s=SHORT_S) as server, server.caller() as slow:
        slow.say(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        assert slow.answer().status == 200
        slow.connection.settimeout(SHORT_S / 10)
        ended = False
        while not ended:  # by the bound of time, while he goes on sending
            with suppress(TimeoutError):
                ended = slow.say(b"a").is_ended()
        for _ in range(100):
            slow.say(b"a")


def test_where_everybody_is_answered_a_picture_of_megabytes_can_be_sent_in_vain() -> None:
    recorder = Recorder()
    with listening(recorder, max_connections=1) as server, server.caller() as first:
        first.say(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: recorder.inside)
        refused(server, sent("/classify", SHORT), 503, b"overloaded")
        recorder.open.set()
        assert first.answer().status == 200


class Heard(asyncio.Protocol):
    """A server's side of a connection that is parted from at once."""

    def __init__(self, most_bytes: int, pause_s: float, most_s: float) -> None:
        self._bounds = most_bytes, pause_s, most_s
        self.bytes, self.gone = 0, asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.farewell = Farewell(transport, asyncio.get_running_loop(), *self._bounds)

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        self.farewell.received(len(data))

    def connection_lost(self, exc: Exception | None) -> None:
        self.farewell.cancel()
        self.gone.set()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("most_bytes", "pause_s", "most_s"), [(1000, WAIT_S, WAIT_S), (10**9, 0.1, WAIT_S), (10**9, WAIT_S, 0.1)]
)
async def test_it_ends_by_bytes_by_a_pause_and_by_time(most_bytes: int, pause_s: float, most_s: float) -> None:
    heard = Heard(most_bytes, pause_s, most_s)
    server = await asyncio.get_running_loop().create_server(lambda: heard, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    assert await reader.read() == b"", "it is told at once that no more will be said"
    async with asyncio.timeout(WAIT_S):
        writer.write(b"a")
        while not heard.gone.is_set():
            if pause_s == WAIT_S:
                writer.write(b"a" * 100)
            await asyncio.sleep(0.001)
    assert heard.bytes <= most_bytes + 2**18
    writer.close()
    server.close()
