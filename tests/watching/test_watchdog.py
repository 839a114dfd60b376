"""A process that cannot go on is ended."""

import asyncio
import threading

import pytest

from service.watching.watchdog import Watchdog

pytestmark = pytest.mark.anyio
OFTEN_S, WAIT_S = 0.01, 20


async def test_the_first_reason_ends_it_once() -> None:
    reasons: list[str] = []
    ended = threading.Event()
    looks = iter([None, None, "the encoder hangs", "and again"])

    def end(reason: str) -> None:
        reasons.append(reason)
        ended.set()

    dog = Watchdog(lambda: next(looks), WAIT_S, end, OFTEN_S)
    dog.start(asyncio.get_running_loop())
    assert await asyncio.to_thread(ended.wait, WAIT_S)
    await asyncio.to_thread(dog.stop)
    assert reasons == ["the encoder hangs"]


async def test_a_stuck_event_loop_is_noticed() -> None:
    ended, reasons = threading.Event(), []

    def end(reason: str) -> None:
        reasons.append(reason)
        ended.set()

    dog = Watchdog(lambda: None, 0.2, end, OFTEN_S)
    dog.start(asyncio.get_running_loop())
    assert ended.wait(WAIT_S)  # the loop does nothing else meanwhile
    dog.stop()
    assert "the event loop has been stuck for" in reasons[0]


async def test_a_live_loop_is_left_alone_and_the_watch_can_be_stopped() -> None:
    looks = 0
    seen = asyncio.Event()
    loop = asyncio.get_running_loop()

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 30:
            loop.call_soon_threadsafe(seen.set)

    reasons: list[str] = []
    dog = Watchdog(look, 5.0, reasons.append, OFTEN_S)
    dog.start(loop)
    await asyncio.wait_for(seen.wait(), WAIT_S)
    await asyncio.to_thread(dog.stop)
    assert reasons == []
