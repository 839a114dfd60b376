"""Requests that two servers might divide differently, and what is no HTTP/1.1 at all, over a real socket: refused, or
answered once; no second request is ever seen in one, and an error ends the connection."""

from collections.abc import Iterator

import pytest
from listening import Listening, Recorder, listening, until  # type: ignore[import-not-found]

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
HOST = b"Host: a\r\n"


def post(*fields: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1", host: bytes = HOST) -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"POST /open " + version + b"\r\n" + host + lines + b"\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked"
REFUSED = {
    "both lengths, chunks first": (post(b"Content-Length: 6", CHUNKED, body=b"0\r\n\r\n" + HIDDEN), 400),
    "both lengths, content first": (post(CHUNKED, b"Content-Length: 4", body=b"5c\r\n" + HIDDEN + b"0\r\n\r\n"), 400),
    "a coding besides chunked": (post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n" + HIDDEN), 501),
    "an unknown coding": (post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + HIDDEN), 501),
    "the coding twice": (post(CHUNKED, b"Transfer-Encoding: identity", body=b"0\r\n\r\n" + HIDDEN), 501),
    "chunked twice": (post(CHUNKED, CHUNKED, body=b"0\r\n\r\n" + HIDDEN), 501),
    "quoted chunked": (post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n" + HIDDEN), 501),
    "a space before the colon": (post(b"Transfer-Encoding : chunked", b"Content-Length: 5", body=b"0\r\n\r\n"), 400),
    "a vertical tab": (post(b"Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n" + HIDDEN), 400),
    "a space before the name": (post(b" Transfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN), 400),
    "a folded line": (post(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n" + HIDDEN), 400),
    "a folded other line": (post(b"X: a\r\n\tContent-Length: 5"), 400),
    "two lengths": (post(b"Content-Length: 0", b"Content-Length: 5", body=HIDDEN), 400),
    "two lengths in one": (post(b"Content-Length: 0, 5", body=HIDDEN), 400),
    "a negative length": (post(b"Content-Length: -1", body=HIDDEN), 400),
    "a length with a sign": (post(b"Content-Length: +5", body=HIDDEN), 400),
    "a hexadecimal length": (post(b"Content-Length: 0x5", body=HIDDEN), 400),
    "a length with an underscore": (post(b"Content-Length: 1_0", body=HIDDEN), 400),
    "an empty length": (post(b"Content-Length:", body=HIDDEN), 400),
    "a length without end": (post(b"Content-Length: " + b"9" * 30, body=HIDDEN), 400),
    "line feeds alone": (b"POST /open HTTP/1.1\nHost: a\n\n" + HIDDEN, 400),
    "one line feed alone": (post(b"X: y\nTransfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
    "a line feed alone at the end": (b"POST /open HTTP/1.1\r\nHost: a\r\n\n" + HIDDEN, 400),
    "a carriage return alone": (post(b"X: y\rTransfer-Encoding: chunked"), 400),
    "a zero byte in a value": (post(b"X: a\0b"), 400),
    "a zero byte in a name": (post(b"X\0: a"), 400),
    "no colon": (post(b"no colon"), 400),
    "no host": (post(host=b""), 400),
    "two hosts": (post(b"Host: b"), 400),
    "chunks in HTTP/1.0": (post(CHUNKED, version=b"HTTP/1.0", body=b"0\r\n\r\n" + HIDDEN), 400),
    "HTTP/0.9": (b"GET /open\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 501),
    "HTTP/1.2": (post(version=b"HTTP/1.2"), 501),
    "HTTP/3.0": (post(version=b"HTTP/3.0"), 501),
    "http": (post(version=b"http/1.1"), 400),
    "two spaces": (b"GET  /open HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a target that is a whole address": (b"GET http://b/open HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a target without a slash": (b"GET open HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a tunnel": (b"CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n" + HIDDEN, 400),
    "an empty line first": (b"\r\n" + HIDDEN, 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 400),
    "a target that is not ASCII": (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a method with a slash": (b"GE/T /open HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "101 fields": (post(*[b"X: y"] * 100), 431),
    "a long field": (post(b"X: " + b"y" * 40_000), 431),
    "a long target": (b"GET /" + b"y" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
    "no end of the head": (b"GET /open HTTP/1.1\r\nX: " + b"y" * 40_000, 431),
}  # fmt: skip
CHUNK_FAULTS = {
    "no number": b"zz\r\nabc\r\n0\r\n\r\n",
    "a negative one": b"-1\r\nabc\r\n0\r\n\r\n",
    "a sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "an underscore": b"1_0\r\nabcdefghijklmnop\r\n0\r\n\r\n",
    "a huge one": b"f" * 21 + b"\r\nabc",
    "a line feed alone after the size": b"3\nabc\r\n0\r\n\r\n",
    "a line feed alone in an extension": b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "more than the size says": b"3\r\nabcd\r\n0\r\n\r\n",
    "a line feed alone after the chunk": b"3\r\nabc\n0\r\n\r\n",
    "an extension without end": b"3;" + b"a" * 40_000,
    "a trailer that is none": b"0\r\nno colon\r\n\r\n",
    "trailers without end": b"0\r\n" + b"x: y\r\n" * 10_000,
}  # fmt: skip
HARMLESS = {
    "HTTP/1.0": (b"GET /open HTTP/1.0\r\n\r\n", [("GET", "/open")]),
    "two requests at once": (
        post(b"Content-Length: 3", body=b"abc") + b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n",
        [("POST", "/open"), ("GET", "/b")],
    ),
    "the same length twice": (post(b"Content-Length: 3", b"Content-Length: 3", body=b"abc"), [("POST", "/open")]),
    "chunks with an extension and a trailer": (
        post(CHUNKED, body=b"3;a=b\r\nabc\r\n0\r\nX: Y\r\n\r\n"), [("POST", "/open")]
    ),
    "CHUNKED": (post(b"TRANSFER-ENCODING: CHUNKED", body=b"3\r\nabc\r\n0\r\n\r\n"), [("POST", "/open")]),
    "a body with GET": (
        b"GET /open HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN, [("GET", "/open")]
    ),
    "HEAD": (b"HEAD /open HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [("HEAD", "/open")]),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", [("OPTIONS", "*")]),
    "TRACE": (b"TRACE /open HTTP/1.1\r\nHost: a\r\n\r\n", [("TRACE", "/open")]),
    "upgrade to a socket": (
        b"GET /open HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", [("GET", "/open")]
    ),
    "upgrade to HTTP/2": (
        b"GET /open HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABk\r\n\r\n", [("GET", "/open")]
    ),
    "100 fields": (post(*[b"X: y"] * 99), [("POST", "/open")]),
}  # fmt: skip


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def server(recorder: Recorder) -> Iterator[Listening]:
    with listening(recorder) as started:
        yield started


@pytest.fixture(autouse=True)
def _seen_anew(recorder: Recorder) -> None:
    recorder.seen.clear()


@pytest.mark.parametrize("name", REFUSED)
def test_a_head_that_could_be_read_in_two_ways_is_refused(server: Listening, recorder: Recorder, name: str) -> None:
    sent, status = REFUSED[name]
    with server.caller() as caller:
        answer = caller.say(sent).answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        assert answer.headers["content-type"] == "application/problem+json"
        assert caller.is_ended()
    assert recorder.seen == []


@pytest.mark.parametrize("name", CHUNK_FAULTS)
def test_a_body_that_could_be_divided_in_two_ways_ends_the_connection(
    server: Listening, recorder: Recorder, name: str
) -> None:
    with server.caller() as caller:
        endless = "without end" in name
        answer = caller.say(post(CHUNKED, body=CHUNK_FAULTS[name]) + (b"" if endless else HIDDEN)).answer()
        assert (answer.status, answer.headers["connection"]) == (431 if endless else 400, "close")
        assert caller.is_ended()
    with server.caller() as other:  # after whom everything of the first has happened
        assert other.say(b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n").answer().status == 200
    assert set(recorder.seen) <= {("POST", "/open"), ("GET", "/last")}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_unusual_is_answered_once(
    server: Listening, recorder: Recorder, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent, seen = HARMLESS[name]
    with server.caller() as caller:
        caller.say(sent)
        if name == "HEAD":
            assert caller.connection.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
        else:
            assert [caller.answer().status for _ in seen] == [200] * len(seen)
    assert recorder.seen == seen
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_chunks_of_single_bytes_are_refused_when_there_are_many(server: Listening) -> None:
    with server.caller() as caller:
        caller.say(post(CHUNKED, body=b"1\r\na\r\n" * 1024 + b"0\r\n\r\n"))
        assert caller.answer().body == b"1024"
    with server.caller() as caller:
        caller.say(post(CHUNKED, body=b"1\r\na\r\n" * 1025))
        assert caller.answer().status == 400
        assert caller.is_ended()


def test_who_asks_first_is_told_to_go_on_only_where_the_body_is_read(server: Listening, recorder: Recorder) -> None:
    asking = post(b"Expect: 100-continue", b"Content-Length: 3")
    with server.caller() as caller:
        assert caller.say(asking).answer().status == 100
        assert caller.say(b"abc").answer().body == b"3"
        recorder.reads = False
        try:
            assert caller.say(asking).answer().status == 200
            assert caller.is_ended()
        finally:
            recorder.reads = True


def test_a_request_behind_another_may_ask_before_it_sends_its_body() -> None:
    """It comes while the first is at work, and is begun when that is answered."""
    recorder = Recorder()
    asking = post(b"Expect: 100-continue", b"Content-Length: 3")
    with listening(recorder) as server, server.caller() as caller:
        caller.say(b"GET /held HTTP/1.1\r\n" + HOST + b"\r\n" + asking)
        until(lambda: recorder.inside == 1)
        recorder.open.set()
        assert caller.answer().status == 200
        assert caller.answer().status == 100
        assert caller.say(b"abc").answer().body == b"3"
