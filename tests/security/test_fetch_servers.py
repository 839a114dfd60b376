"""Servers that are reached: what they may send, and what becomes of those that mean harm."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
import trustme
from https_servers import (
    PUBLIC,
    Answer,
    Network,
    Server,
    hangs_after,
    repeats,
    response,
    sends,
    serving,
    tls_for,
    trusting,
)

from service.errors import ImageTooLarge, Overloaded, UrlFailed
from service.fetching.fetch import Fetcher, FetchLimits
from service.fetching.network import Resolver, connect_to

pytestmark = pytest.mark.anyio
CAP = 100_000
WAIT_S = 20
URL = "https://good.example/photo.jpg?size=1"
LIMITS = FetchLimits(timeout_s=WAIT_S, max_bytes=CAP, redirects=2, at_once=3)
HASTY = FetchLimits(timeout_s=0.3, max_bytes=CAP)
Serve = Callable[[Answer], AbstractAsyncContextManager[Server]]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trust(authority: trustme.CA) -> ssl.SSLContext:
    return trusting(authority)


@pytest.fixture(scope="module")
def serve(authority: trustme.CA) -> Serve:
    """good.example, behind PUBLIC."""
    tls = tls_for(authority, "good.example", "other.example", PUBLIC, "2600::1")
    return lambda answer: serving(answer, tls)


def network_to(server: Server) -> Network:
    return Network({"good.example": [[PUBLIC]], "other.example": [["2600::1"]]}, {}, everywhere=server.port)


async def fetch(network: Network, trust: ssl.SSLContext | None, limits: FetchLimits = LIMITS, url: str = URL) -> bytes:
    fetcher = Fetcher(limits, network.resolve, network.connect, trust)
    try:
        async with fetcher.fetched(url) as data:
            return data
    finally:
        assert fetcher.inside == 0
        fetcher.close()


async def test_a_picture_comes_as_it_is_and_little_is_told_of_us(serve: Serve, trust: ssl.SSLContext) -> None:
    picture = bytes(range(256)) * (CAP // 256)
    async with serve(sends(response(picture, 200, "Set-Cookie: a=b"))) as server:
        network = network_to(server)
        assert await fetch(network, trust) == picture
        assert await fetch(network, trust) == picture
        assert (network.connected, server.connections) == ([(PUBLIC, 443)] * 2, 2)  # nothing is kept open
    for head in server.heads:
        line, *headers = head.decode().removesuffix("\r\n\r\n").split("\r\n")
        assert line == "GET /photo.jpg?size=1 HTTP/1.1"
        names = {header.partition(":")[0]: header.partition(": ")[2] for header in headers}
        assert names.pop("User-Agent").startswith("l2r2/")
        others = {"Accept": "image/*", "Accept-Encoding": "identity", "Connection": "close"}
        assert names == {"Host": "good.example"} | others


async def test_an_exact_fit_a_body_without_length_and_one_in_chunks(serve: Serve, trust: ssl.SSLContext) -> None:
    full = b"x" * CAP
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;extension=1\r\nde\r\n0\r\n\r\n"
    for answer, body in (
        (response(full), full),
        (b"HTTP/1.1 200 OK\r\n\r\n" + full, full),
        (b"HTTP/1.0 200 OK\r\n\r\nold", b"old"),
        (chunked, b"abcde"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + response(b"later"), b"later"),
        (response(b"plain", 200, "Content-Encoding: identity"), b"plain"),
    ):
        async with serve(sends(answer)) as server:
            assert await fetch(network_to(server), trust) == body


async def test_addresses_may_be_given_without_a_name(serve: Serve, trust: ssl.SSLContext) -> None:
    async with serve(sends(response(b"picture"))) as server:
        for host in (PUBLIC, "[2600::1]"):
            network = network_to(server)
            assert await fetch(network, trust, url=f"https://{host}/") == b"picture"
            assert f"\r\nHost: {host}\r\n".encode() in server.heads[-1]
            assert network.asked == []


async def test_a_second_address_is_tried_where_the_first_takes_no_connection(
    serve: Serve, trust: ssl.SSLContext
) -> None:
    async with serve(sends(response(b"picture"))) as server:
        network = Network({"good.example": [["2600::1", PUBLIC]]}, {PUBLIC: server.port})
        assert await fetch(network, trust) == b"picture"
        assert network.connected == [("2600::1", 443), (PUBLIC, 443)]


def chain(*locations: str) -> Answer:
    """Redirects to one after the other, and ends with a picture."""
    left = list(locations)

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = response(b"not this", 302, f"Location: {left.pop(0)}") if left else response(b"picture")
        await sends(data)(head, reader, writer)

    return answer


async def test_redirects_are_followed_as_often_as_allowed(serve: Serve, trust: ssl.SSLContext) -> None:
    async with serve(chain("https://other.example/a/b?c", "../d")) as server:
        network = network_to(server)
        assert await fetch(network, trust) == b"picture"
        assert [address for address, _ in network.connected] == [PUBLIC, "2600::1", "2600::1"]
        assert [head.split()[1] for head in server.heads] == [b"/photo.jpg?size=1", b"/a/b?c", b"/d"]
    async with serve(chain("/1", "/2", "/3")) as server:
        with pytest.raises(UrlFailed, match="more often than the 2 times"):
            await fetch(network_to(server), trust)
        assert server.connections == 3


async def test_a_loop_ends(serve: Serve, trust: ssl.SSLContext) -> None:
    async with serve(sends(response(b"", 301, f"Location: {URL}"))) as server:
        with pytest.raises(UrlFailed, match="redirects more often"):
            await fetch(network_to(server), trust)
        assert server.connections == 3


HEADS = b"X: " + b"a" * 1000 + b"\r\n"
DIGITS = b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n"
CRUMBS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (response(b"secret", 404), "status 404, not 200"),
        (response(b"secret", 500), "status 500, not 200"),
        (response(b"secret", 204), "status 204, not 200"),
        (response(b"secret", 206), "status 206, not 200"),
        (response(b"secret", 302), "status 302, not 200"),  # to nowhere
        (response(b"secret", 304, "Location: /"), "status 304, not 200"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\nsecret", "broke off"),
        (response(b"secret", 200, "Content-Encoding: gzip"), "compressed"),
        (response(b"secret", 200, "Content-Encoding: br"), "compressed"),
        (response(b"secret", length=7), "broke off"),
        (response(b"secret", 200, "Content-Length: 7"), "broke off"),  # and 6
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nsecret", "broke off"),
        (DIGITS, "broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\nsecret", "broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "broke off"),
        (b"HTTP/1.1 200 OK\r\n" + HEADS * 200, "broke off"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000, "broke off"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "broke off"),
        (b"\x00" * 1000, "broke off"),
        (b"", "broke off"),
    ],
)  # fmt: skip
async def test_what_is_no_picture_is_told_apart_without_repeating_it(
    serve: Serve, trust: ssl.SSLContext, answer: bytes, words: str
) -> None:
    async with serve(sends(answer)) as server:
        with pytest.raises(UrlFailed, match=words) as caught:
            await fetch(network_to(server), trust)
        assert (caught.value.status, caught.value.code) == (422, "url_failed")
        assert "secret" not in caught.value.detail
        assert caught.value.problems[0].field == "image_url"


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b""),
        (CRUMBS, b"2000\r\n" + b"x" * 0x2000 + b"\r\n"),
    ],
)
async def test_an_endless_body_is_cut_at_the_cap(
    serve: Serve, trust: ssl.SSLContext, head: bytes, piece: bytes
) -> None:
    if not piece:  # one that is announced, and is not read at all
        head, piece = response(b"", length=CAP + 1), b"x" * 65536
    async with serve(repeats(head, piece)) as server:
        network = network_to(server)
        with pytest.raises(ImageTooLarge, match=f"more than the {CAP} bytes"):
            await fetch(network, trust)
        assert network.read_bytes <= CAP + 2 * 65536
        await asyncio.wait_for(server.left.wait(), WAIT_S)


async def test_a_body_that_is_announced_too_long_is_not_waited_for(serve: Serve, trust: ssl.SSLContext) -> None:
    async with serve(hangs_after(response(b"", length=CAP + 1))) as server:
        with pytest.raises(ImageTooLarge):
            await fetch(network_to(server), trust)


@pytest.mark.parametrize(
    ("head", "piece", "words"),
    [
        (CRUMBS, b"1\r\nx\r\n" * 10_000, "too small pieces"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000, "broke off"),
        (CRUMBS, b"1;" + b"a" * 50_000 + b"\r\nx\r\n", "broke off"),
    ],
)
async def test_what_costs_more_than_its_bytes_is_cut_early(
    serve: Serve, trust: ssl.SSLContext, head: bytes, piece: bytes, words: str
) -> None:
    async with serve(repeats(head, piece)) as server:
        network = network_to(server)
        with pytest.raises(UrlFailed, match=words):
            await fetch(network, trust)
        assert network.read_bytes <= 2**19 + 2 * CAP
        await asyncio.wait_for(server.left.wait(), WAIT_S)


@pytest.mark.parametrize(
    "answer",
    [
        hangs_after(b""),
        hangs_after(b"HTTP/1.1 200 OK\r\nContent-"),
        hangs_after(response(b"begun", length=1000)),
        repeats(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", pause_s=0.02),
        repeats(response(b"", length=CAP), b"x", pause_s=0.02),
    ],
)
async def test_a_slow_server_is_left_at_the_deadline(serve: Serve, trust: ssl.SSLContext, answer: Answer) -> None:
    async with serve(answer) as server:
        with pytest.raises(UrlFailed, match=r"no picture came within 0\.3 s"):
            await asyncio.wait_for(fetch(network_to(server), trust, HASTY), WAIT_S)
        await asyncio.wait_for(server.left.wait(), WAIT_S)


async def test_the_deadline_stands_around_names_connections_and_redirects(serve: Serve, trust: ssl.SSLContext) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    async with serve(sends(response(b"picture"))) as server:
        network = network_to(server)
        for resolve, connect in ((never, network.connect), (network.resolve, never)):
            fetcher = Fetcher(HASTY, resolve, connect, trust)  # type: ignore[arg-type]
            with pytest.raises(UrlFailed, match="no picture came within"):
                async with fetcher.fetched(URL):
                    pass
            fetcher.close()
        assert server.connections == 0
    left = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        writer.close()
        left.set()

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)  # takes connections, and speaks no TLS
    async with listening:
        network = Network({"good.example": [[PUBLIC]]}, {}, everywhere=listening.sockets[0].getsockname()[1])
        with pytest.raises(UrlFailed, match="no picture came within"):
            await fetch(network, trust, HASTY)
        await asyncio.wait_for(left.wait(), WAIT_S)


@pytest.mark.parametrize(
    ("names", "own_authority"),
    [(("other.example",), True), (("*.good.example",), True), ((PUBLIC,), True), (("good.example",), False)],
)
async def test_a_certificate_for_another_name_or_of_nobody_s_is_not_taken(
    authority: trustme.CA, trust: ssl.SSLContext, names: tuple[str, ...], own_authority: bool
) -> None:
    issuer = authority if own_authority else trustme.CA()
    async with serving(sends(response(b"secret")), tls_for(issuer, *names)) as server:
        with pytest.raises(UrlFailed, match="certificate is not valid"):
            await fetch(network_to(server), trust)
        assert server.heads == []  # it was told nothing


async def test_without_more_said_the_usual_authorities_are_trusted(serve: Serve) -> None:
    async with serve(sends(response(b"secret"))) as server:
        with pytest.raises(UrlFailed, match="certificate is not valid"):
            await fetch(network_to(server), None)


async def test_a_server_without_tls_is_told_nothing(trust: ssl.SSLContext) -> None:
    heard = bytearray()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(1000))
        writer.write(response(b"secret"))
        writer.close()

    listening = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with listening:
        network = Network({"good.example": [[PUBLIC]]}, {}, everywhere=listening.sockets[0].getsockname()[1])
        with pytest.raises(UrlFailed, match="cannot be connected to"):
            await fetch(network, trust)
    assert b"GET" not in heard


async def test_more_than_may_be_held_at_once_are_refused_and_places_come_back(
    serve: Serve, trust: ssl.SSLContext
) -> None:
    async with serve(sends(response(b"picture"))) as server:
        network = network_to(server)
        fetcher = Fetcher(LIMITS, network.resolve, network.connect, trust)
        async with fetcher.fetched(URL), fetcher.fetched(URL), fetcher.fetched(URL):
            with pytest.raises(Overloaded) as caught:
                async with fetcher.fetched(URL):
                    pass
            assert caught.value.retry_after_s == 1
        assert fetcher.inside == 0
        async with fetcher.fetched(URL) as data:
            assert data == b"picture"
        fetcher.close()


async def test_who_leaves_takes_his_fetch_with_him(serve: Serve, trust: ssl.SSLContext) -> None:
    async with serve(hangs_after(response(b"begun", length=1000))) as server:
        network = network_to(server)
        fetcher = Fetcher(LIMITS, network.resolve, network.connect, trust)

        async def wanting() -> None:
            async with fetcher.fetched(URL):
                pass

        leaving = asyncio.ensure_future(wanting())
        while not network.read_bytes:
            await asyncio.wait({leaving}, timeout=0.01)
        leaving.cancel()
        await asyncio.wait({leaving})
        assert (leaving.cancelled(), fetcher.inside) == (True, 0)
        await asyncio.wait_for(server.left.wait(), WAIT_S)
        fetcher.close()


async def test_proxies_of_the_environment_are_not_used(
    serve: Serve, trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with serve(sends(response(b"picture"))) as server:
        network = network_to(server)
        assert await fetch(network, trust) == b"picture"
        assert network.connected == [(PUBLIC, 443)]


async def test_the_system_s_resolver_is_asked_in_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answering(host: bytes, port: None, **_: object) -> list[object]:
        asked.append((host, threading.current_thread().name))
        if host == b"unknown.example.":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(0, 0, 0, "", (PUBLIC, 0)), (0, 0, 0, "", ("2600::1", 0, 0, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", answering)
    resolver = Resolver(1)
    assert await resolver("good.example") == [PUBLIC, "2600::1"]
    assert await resolver("unknown.example") == []
    resolver.close()
    assert [host for host, _ in asked] == [b"good.example.", b"unknown.example."]  # absolute, past search domains
    assert all(thread.startswith("resolving") for _, thread in asked)


async def test_a_connection_goes_to_the_very_address() -> None:
    connections = []

    async def taking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer.get_extra_info("peername"))
        writer.write(b"hello")
        writer.close()

    listening = await asyncio.start_server(taking, "127.0.0.1", 0)
    async with listening:
        stream = await connect_to("127.0.0.1", listening.sockets[0].getsockname()[1])
        assert await stream.read(5) == b"hello"
        await stream.aclose()
    assert len(connections) == 1
