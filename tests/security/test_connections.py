"""Callers who are slow, many, silent or gone, over real sockets: each costs his own connection alone."""

import asyncio
import resource
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest
from listening import WAIT_S, Caller, Listening, Recorder, listening, until  # type: ignore[import-not-found]

GET = b"GET /open HTTP/1.1\r\nHost: a\r\n\r\n"
HELD = GET.replace(b"/open", b"/held")
SHORT_S = 0.2


def test_a_head_that_does_not_end_is_refused_in_time_however_it_drips() -> None:
    recorder = Recorder()
    with (
        listening(recorder, head_timeout_s=SHORT_S) as server,
        server.caller() as stopping,
        server.caller() as dripping,
    ):
        start_s = time.monotonic()
        stopping.say(GET[:-2])
        dripping.connection.settimeout(SHORT_S / 10)
        answer = None
        while answer is None:
            with suppress(TimeoutError):
                answer = dripping.say(b"G").answer()
            assert time.monotonic() - start_s < WAIT_S
        assert answer.status == 408
        assert dripping.is_ended()
        answer = stopping.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert stopping.is_ended()
        assert time.monotonic() - start_s >= SHORT_S
    assert recorder.seen == []


def test_a_silent_caller_is_left_and_so_is_one_who_is_slow_with_his_second_head() -> None:
    with listening(Recorder(), head_timeout_s=SHORT_S) as server, server.caller() as silent, server.caller() as second:
        assert second.say(GET).answer().status == 200
        assert silent.is_ended()
        assert second.say(GET).answer().status == 200  # between requests he may take longer
        assert second.say(GET[:5]).answer().status == 408
        assert second.is_ended()


def test_a_connection_without_a_further_request_is_ended_by_its_own_limit() -> None:
    with listening(Recorder(), keep_alive_s=1) as server, server.caller() as caller:
        assert caller.say(GET).answer().status == 200
        assert caller.is_ended()


def test_who_does_not_read_his_answer_is_cut_and_nobody_waits_for_him() -> None:
    recorder = Recorder()
    with listening(recorder, write_timeout_s=2 * SHORT_S) as server, server.caller() as lazy, server.caller() as other:
        lazy.say(GET.replace(b"/open", b"/large"))
        until(lambda: recorder.seen)
        start_s = time.monotonic()
        assert other.say(GET).answer().status == 200
        assert time.monotonic() - start_s < 2 * SHORT_S
        until(lambda: server.crowd.size == 1)
        with pytest.raises(EOFError):
            lazy.answer()
    assert recorder.inside == 0


def test_the_caller_idle_for_longest_makes_room_for_a_new_one() -> None:
    recorder = Recorder()
    with listening(recorder, max_connections=2) as server, server.caller() as first, server.caller() as second:
        assert first.say(GET).answer().status == 200
        assert second.say(GET).answer().status == 200
        assert first.say(GET).answer().status == 200  # the second is idle for longer now
        with server.caller() as third:
            assert second.is_ended()
            assert third.say(GET).answer().status == 200
            assert first.say(GET).answer().status == 200
            assert server.crowd.size == 2


def test_where_everybody_is_answered_a_new_caller_is_told_when_to_come_again() -> None:
    recorder = Recorder()
    with listening(recorder, max_connections=2) as server, server.caller() as first, server.caller() as second:
        for caller in (first, second):
            caller.say(HELD)
        until(lambda: recorder.inside == 2)
        for _ in range(100):  # more than may take their leave at a time
            with server.caller() as refused:
                answer = refused.say(GET).answer()
                assert (answer.status, answer.headers["retry-after"]) == (503, "1")
                assert refused.is_ended()
        recorder.open.set()
        assert [caller.answer().status for caller in (first, second)] == [200, 200]
        with server.caller() as later:
            assert later.say(GET).answer().status == 200


def connect(server: Listening, count: int) -> list[socket.socket]:
    """In a loop of its own, so that so many do not wait for each other."""

    async def one(loop: asyncio.AbstractEventLoop, source: str) -> socket.socket:
        made = socket.socket()
        made.setblocking(False)
        made.bind((source, 0))
        await loop.sock_connect(made, ("127.0.0.1", server.port))
        return made

    async def several() -> list[socket.socket]:
        loop, made = asyncio.get_running_loop(), []
        for start in range(0, count, 200):
            sources = [f"127.0.0.{2 + place % 100}" for place in range(start, min(count, start + 200))]
            made += await asyncio.gather(*[one(loop, source) for source in sources])
        return made

    return asyncio.run(several())


@pytest.mark.parametrize("wanted", [2000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_of_idle_callers_hinder_nobody(record_property: Callable[[str, object], None], wanted: int) -> None:
    """Or as many as this process may have open files for."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = 2**20 if hard == resource.RLIM_INFINITY else hard
    count = min(wanted, room - room // 5 - 500)
    record_property("connections", count)
    with listening(Recorder(), max_connections=count // 5) as server, server.caller() as good:
        before = psutil.Process().memory_info().rss
        idle: list[socket.socket] = []
        waits_s = []
        try:
            for part in range(10):
                idle += connect(server, count // 10)
                for _ in range(10):
                    start_s = time.monotonic()
                    assert good.say(GET).answer().status == 200
                    waits_s.append(time.monotonic() - start_s)
                with server.caller() as new:
                    assert new.say(GET).answer().status == 200, part
            assert server.crowd.size <= count // 5
            grown = psutil.Process().memory_info().rss - before
            record_property("grown_mb", grown / 2**20)
            record_property("slowest_s", max(waits_s))
            assert grown < 200 * 2**20
            assert max(waits_s) < 2
        finally:
            for connection in idle:
                connection.close()
        until(lambda: server.crowd.size <= 1)


@pytest.mark.parametrize("length", [0, 1, 10, len(GET) - 1, len(GET)])
def test_who_leaves_early_leaves_nothing_behind(length: int) -> None:
    recorder = Recorder()
    with listening(recorder) as server:
        with server.caller() as caller:
            caller.say(GET[:length])
            until(lambda: server.crowd.size == 1)
        until(lambda: server.crowd.size == 0 and recorder.inside == 0)
        assert recorder.seen == ([("GET", "/open")] if length == len(GET) else [])
        with server.caller() as other:
            assert other.say(GET).answer().status == 200


def test_noise_ends_the_connection_it_came_on(photographs: dict[str, bytes]) -> None:
    recorder = Recorder()
    with listening(recorder, head_timeout_s=SHORT_S) as server:
        for noise in (
            photographs["chelsea"],
            bytes(2000),
            b"\xff" * 2000,
            b"SSH-2.0-x\r\n",
            b"\r\n\r\n",
            b"a" * 10_000,
        ):
            with Caller(socket.create_connection(("127.0.0.1", server.port), WAIT_S)) as caller:
                assert caller.say(noise).answer().status in (400, 408, 431)
                assert caller.is_ended()
    assert recorder.seen == []
