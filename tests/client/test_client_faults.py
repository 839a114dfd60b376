"""Both clients against a server that refuses, breaks off, or answers nonsense."""

import asyncio
import gc
import itertools
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpcore
import pytest
from misbehaving import ANSWER, Act, answers, misbehaving, refuses, resets, send, shows  # type: ignore[import-not-found]

from service.client import (
    Answer,
    AsyncClient,
    Client,
    ProblemError,
    RateLimitedError,
    Retries,
    ServiceUnreachable,
    Timeouts,
    TooLateError,
    UnavailableError,
    calls,
)
from service.client.connecting import Connection
from service.client.punctual import Punctual
from service.errors import ServiceError

QUICK = Retries(deadline_s=20, connections=3, first_wait_s=0.01, most_wait_s=0.02)
Ask = Callable[..., Answer]


def waiting(url: str, retries: Retries = QUICK, key: str | None = None, **options: Any) -> Answer:
    with Client(url, retries=retries, key=key) as client:
        return client.classify(b"picture", dataset="pets", **options)


def awaiting(url: str, retries: Retries = QUICK, key: str | None = None, **options: Any) -> Answer:
    async def ask() -> Answer:
        async with AsyncClient(url, retries=retries, key=key) as client:
            return await client.classify(b"picture", dataset="pets", **options)

    return asyncio.run(ask())


both = pytest.mark.parametrize("ask", [waiting, awaiting])


@both
def test_a_refusal_is_asked_again_after_the_time_it_names(ask: Ask) -> None:
    with misbehaving(refuses(503, Retry_After="1"), answers()) as server:
        begin_s = time.monotonic()
        assert ask(server.url).label == "cat"
        took_s = time.monotonic() - begin_s
    assert len(server.seen) == 2
    assert took_s >= 1


@both
def test_a_date_counts_as_seconds_do(ask: Ask) -> None:
    with misbehaving(
        refuses(429, "rate_limited", Retry_After=formatdate(time.time() + 2, usegmt=True)), answers()
    ) as server:
        begin_s = time.monotonic()
        assert ask(server.url).label == "cat"
        assert time.monotonic() - begin_s >= 0.9  # dates have whole seconds


@both
def test_a_connection_that_breaks_is_made_again(ask: Ask) -> None:
    with misbehaving(resets, resets, answers()) as server:
        assert ask(server.url).confidence == 0.75
    assert len(server.seen) == 3


@both
def test_a_connection_that_breaks_again_and_again_is_given_up(ask: Ask) -> None:
    with misbehaving(resets) as server, pytest.raises(ServiceUnreachable, match="no service answers at"):
        ask(server.url)
    assert len(server.seen) == 3


@both
def test_what_would_take_longer_than_the_deadline_is_not_waited_for(ask: Ask) -> None:
    with misbehaving(refuses(503, Retry_After="60")) as server:
        begin_s = time.monotonic()
        with pytest.raises(UnavailableError, match="it is overloaded") as refused:
            ask(server.url, deadline_s=5)
        assert time.monotonic() - begin_s < 4
    assert (refused.value.retry_after_s, refused.value.request_id, refused.value.status) == (60, "r", 503)
    assert len(server.seen) == 1


@both
def test_an_answer_that_does_not_come_is_waited_for_until_the_deadline(ask: Ask) -> None:
    end = threading.Event()
    with misbehaving(lambda _: end.wait(20)) as server:
        with pytest.raises(TooLateError, match="no answer from"):
            ask(server.url, deadline_s=0.2)
        end.set()
    assert len(server.seen) == 1


@both
def test_the_service_is_told_how_long_an_answer_is_of_use(ask: Ask) -> None:
    with misbehaving(answers()) as server:
        ask(server.url, deadline_s=7, key="l2r2_x")
    headers = server.seen[0][2]
    assert 6000 < int(headers["X-Request-Timeout-Ms"]) <= 7000
    assert headers["Authorization"] == "Bearer l2r2_x"


@both
def test_limits_refusals_that_last_end_as_what_they_are(ask: Ask) -> None:
    with misbehaving(refuses(429, "rate_limited")) as server, pytest.raises(RateLimitedError):
        ask(server.url, retries=Retries(deadline_s=0.3, first_wait_s=0.02))
    assert len(server.seen) > 1


@both
@pytest.mark.parametrize(
    ("act", "words"),
    [
        (shows(200, "<html>welcome</html>"), "not what the service answers"),
        (answers({"label": "cat"}), "not what the service answers"),
        (answers([1]), "not what the service answers"),
        (shows(500, "<h1>Bad  Gateway</h1>"), "500: <h1>Bad Gateway</h1>"),
        (refuses(418, "teapot"), "418: it is teapot"),
        (shows(302, ""), "302: Found"),
    ],
)
def test_what_is_no_answer_of_ours_is_a_problem_too(ask: Ask, act: Any, words: str) -> None:
    with misbehaving(act) as server, pytest.raises(ProblemError, match=words):
        ask(server.url)
    assert len(server.seen) == 1


@both
def test_an_answer_that_cannot_be_unpacked_is_none(ask: Ask) -> None:
    def packed(handler: BaseHTTPRequestHandler) -> None:
        send(handler, 200, "application/json", b"no gzip", {"Content-Encoding": "gzip"})

    with misbehaving(packed) as server, pytest.raises(ServiceUnreachable):
        ask(server.url)
    assert len(server.seen) == 1


@both
def test_fields_of_a_newer_service_are_kept(ask: Ask) -> None:
    newer = {**ANSWER, "mood": "calm", "box": {**ANSWER["box"], "angle": 3}, "branch": "newest_view"}
    with misbehaving(answers(newer)) as server:
        answer = ask(server.url)
    assert answer.model_extra == {"mood": "calm"}
    assert answer.box is not None
    assert (answer.box.model_extra, answer.branch) == ({"angle": 3}, "newest_view")
    assert answer.model_dump(mode="json") == newer


@both
def test_an_answer_cannot_be_changed(ask: Ask) -> None:
    with misbehaving(answers()) as server:
        answer = ask(server.url)
    with pytest.raises(ValueError, match="frozen"):
        answer.label = "dog"


@both
@pytest.mark.parametrize("wrong", [{"topk": 3}, {"branches": "full,fg"}, {"classes": "cat"}])
def test_an_option_that_cannot_be_meant_is_refused_here(ask: Ask, wrong: dict[str, Any]) -> None:
    with misbehaving(answers()) as server, pytest.raises(TypeError, match=r"topk|is a list"):
        ask(server.url, **wrong)
    assert server.seen == []


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "http://", "http://[::1"])
def test_what_is_no_address_is_said_at_once(url: str) -> None:
    with pytest.raises(ServiceUnreachable):
        Client(url)


def test_deleting_is_not_done_twice() -> None:
    with misbehaving(resets) as server, Client(server.url, retries=QUICK) as client, pytest.raises(ServiceUnreachable):
        client.datasets.delete("pets")
    assert len(server.seen) == 1


def test_what_may_have_been_done_before_a_proxy_lost_the_answer_is_not_done_twice() -> None:
    with misbehaving(shows(502, "Bad Gateway"), refuses(404)) as server, Client(server.url, retries=QUICK) as client:
        with pytest.raises(UnavailableError, match="Bad Gateway"):
            client.datasets.delete("pets")
        assert len(server.seen) == 1
    with misbehaving(refuses(503), answers()) as server, Client(server.url, retries=QUICK) as client:
        client.datasets.delete("pets")  # 503 is the service's own word that nothing was done
        assert len(server.seen) == 2


@both
def test_an_answer_that_drips_ends_at_the_deadline(ask: Ask) -> None:
    over = threading.Event()

    def drips(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" ")
            if over.wait(0.1):
                return

    with misbehaving(drips) as server:
        begin_s = time.monotonic()
        with pytest.raises(TooLateError):
            ask(server.url, deadline_s=0.5)
        took_s = time.monotonic() - begin_s
        over.set()
    assert took_s < 3  # of the 10 that it would drip


def dripping(pieces: bytes, between_s: float, over: threading.Event) -> Act:
    """Sends byte after byte without an end."""

    def drips(handler: BaseHTTPRequestHandler) -> None:
        for number in itertools.count():
            handler.wfile.write(pieces[number : number + 1] or b"x")
            if over.wait(between_s):
                return

    return drips


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


@both
@pytest.mark.parametrize("first", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 100 Continue\r\n\r\n" * 10**4, HEAD])
def test_whatever_drips_in_small_pieces_a_call_ends_at_its_deadline(ask: Ask, first: bytes) -> None:
    """A head, interim answers, a body: each piece comes long before the limit for one."""
    over = threading.Event()
    with misbehaving(dripping(first, 0.02, over)) as server:
        begin_s = time.monotonic()
        try:
            for options, retries in (({"deadline_s": 0.4}, QUICK), ({}, Retries(deadline_s=0.4))):
                with pytest.raises(TooLateError, match="in time"):
                    ask(server.url, retries, **options)
        finally:
            over.set()
    assert time.monotonic() - begin_s < 4
    assert len(server.seen) == 2


@both
def test_a_connection_that_answered_before_is_bounded_as_a_new_one_is(ask: Ask) -> None:
    over = threading.Event()
    with misbehaving(refuses(503, Retry_After="0"), dripping(b"HTTP/1.1 200 OK\r\nX: ", 0.02, over)) as server:
        begin_s = time.monotonic()
        try:
            with pytest.raises(TooLateError):
                ask(server.url, deadline_s=0.5)
        finally:
            over.set()
    assert time.monotonic() - begin_s < 3


def test_a_proxy_that_drips_holds_no_call_either(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    with misbehaving(dripping(b"HTTP/1.1 200 OK\r\nX: ", 0.02, over)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        try:
            with pytest.raises(TooLateError):
                waiting("http://service.invalid", deadline_s=0.4)
        finally:
            over.set()
        assert proxy.seen[0][1].startswith("http://service.invalid/")


def test_a_server_that_reads_no_further_holds_no_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with Client(url, retries=Retries(connections=1)) as client, pytest.raises(ServiceError):
            client.classify(bytes(30_000_000), dataset="pets", deadline_s=0.3)


def test_long_work_has_a_bound_of_its_own() -> None:
    connection = Connection.to("http://x", None, None, Retries(deadline_s=5))
    call = calls.calibrate("pets", [("cat", b"x")], {})
    assert connection.limit_s(call, connection.attempts(None)) == calls.CALIBRATION_S
    assert connection.limit_s(call, connection.attempts(60)) <= 60
    assert connection.limit_s(calls.models(), connection.attempts(None)) <= 5


def test_long_work_is_waited_for_and_not_repeated_for_longer_than_the_rest() -> None:
    connection = Connection.to("http://x", None, None, Retries(deadline_s=5))
    call = calls.calibrate("pets", [("cat", b"x")], {})
    attempts = connection.attempts(None)
    assert attempts.deadline_s == 5
    assert connection.request(call, attempts)["timeout"].read == calls.CALIBRATION_S
    assert connection.request(call, connection.attempts(60))["timeout"].read <= 60


@pytest.mark.parametrize("url", ["http://user:s3cret@127.0.0.1:9", "http://user:s3cret@", "ftp://user:s3cret@x"])
def test_a_password_in_an_address_is_not_shown(url: str) -> None:
    with pytest.raises(ServiceUnreachable) as caught, Client(url, retries=Retries(connections=1)) as client:
        client.models()
    assert "s3cret" not in str(caught.value)


def test_a_path_that_can_be_none_fails_alone() -> None:
    with misbehaving(answers()) as server, Client(server.url) as client:
        broken, whole = client.classify_many(["a\0b", b"picture"], dataset="pets")
    assert isinstance(broken.error, OSError)
    assert whole.unwrap().label == "cat"


def test_time_limits_are_never_longer_than_what_is_left() -> None:
    found = Timeouts(connect_s=5, read_s=90).within(2.0)
    assert (found.connect, found.read, found.write, found.pool) == (2, 2, 2, 2)


class Told(threading.Event):
    """Tells when somebody begins to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.awaited.set()
        return super().wait(timeout)


def closed_meanwhile(client: Client, ready: Callable[[], object]) -> ServiceError:
    """How a call ends whose client is closed as soon as it is `ready`."""
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.classify, b"x", dataset="pets")
        while not ready():
            wait([asking], 0.01)
        client.close()
        error = asking.exception(10)
    assert isinstance(error, ServiceError)
    return error


def test_closing_ends_the_wait_for_a_further_attempt() -> None:
    with misbehaving(refuses(503, Retry_After="60")) as server:
        client = Client(server.url)
        client._closing = closing = Told()
        assert isinstance(closed_meanwhile(client, closing.awaited.is_set), UnavailableError)
    assert len(server.seen) == 1


def test_closing_ends_the_wait_for_an_answer() -> None:
    over = threading.Event()
    with misbehaving(lambda _handler: over.wait(60)) as server:
        try:
            assert isinstance(closed_meanwhile(Client(server.url), lambda: server.seen), ServiceUnreachable)
        finally:
            over.set()
    assert len(server.seen) == 1


def test_a_connection_that_is_made_while_the_client_is_closed_is_closed_too() -> None:
    closing = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        stream = Punctual(httpcore.SyncBackend(), closing).connect_tcp("127.0.0.1", server.getsockname()[1], 10)
        accepted, _ = server.accept()
        with accepted:
            accepted.settimeout(10)
            stream.write(b"before")
            assert accepted.recv(100) == b"before"
            closing.set()
            with pytest.raises(httpcore.WriteError, match="closed"):
                stream.write(b"after")
            assert accepted.recv(100) == b""


def test_a_client_closed_while_threads_connect_leaves_no_connection_open() -> None:
    """Again and again: whichever moment of a connection's making it is closed in."""
    with misbehaving(answers()) as server:
        for _ in range(40):
            with Client(server.url) as client:
                outcomes = client.classify_many([b"picture"] * 16, dataset="pets", concurrency=4)
                next(outcomes)
                outcomes.close()  # type: ignore[attr-defined]
        until_left = time.monotonic() + 10
        while any(thread.name.startswith("asking") for thread in threading.enumerate()):
            assert time.monotonic() < until_left
            threading.Event().wait(0.01)
        gc.collect()  # which warns of connections that nobody closed


def test_who_stops_iterating_stops_the_asking() -> None:
    with misbehaving(answers()) as server, Client(server.url) as client:
        given = iter([b"picture"] * 1000)
        outcomes = client.classify_many(given, dataset="pets", concurrency=2)
        assert next(outcomes).unwrap().label == "cat"
        outcomes.close()  # type: ignore[attr-defined]
        assert len(server.seen) <= 6
        assert sum(1 for _ in given) >= 994
