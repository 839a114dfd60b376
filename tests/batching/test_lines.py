"""Lines of callers before a few threads."""

import asyncio
import threading

import pytest

from service.errors import Overloaded
from service.lines import Line, filled_pool
from service.telemetry import request_id

pytestmark = pytest.mark.anyio
WAIT_S = 20


def line_of(threads: int, most_waiting: int, patience_s: float = WAIT_S) -> Line:
    return Line("the gate", threads, most_waiting=most_waiting, patience_s=patience_s)


class Gate:
    def __init__(self) -> None:
        self.open, self.entered = threading.Event(), threading.Event()

    def __call__(self) -> bool:
        self.entered.set()
        return self.open.wait(WAIT_S)


async def passed(line: Line, gate: Gate) -> bool:
    async with line.place():
        return await line.run(gate)


async def at_work(line: Line, gate: Gate) -> "asyncio.Future[bool]":
    task = asyncio.ensure_future(passed(line, gate))
    async with asyncio.timeout(WAIT_S):
        while not gate.entered.is_set():
            await asyncio.sleep(0)
    return task


async def settled(line: Line, waiting: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while line.waiting != waiting:
            await asyncio.sleep(0)


def threads_of(name: str) -> int:
    return sum(thread.name.startswith(name) for thread in threading.enumerate())


def test_a_pool_has_all_its_threads_from_the_start_and_no_more_later() -> None:
    pool = filled_pool(5, "filled")
    assert threads_of("filled") == 5
    assert sorted(pool.map(abs, range(-50, 0))) == list(range(1, 51))
    assert threads_of("filled") == 5
    pool.shutdown()


async def test_some_are_at_work_some_wait_and_the_others_are_refused() -> None:
    line, gate = line_of(2, 3), Gate()
    callers = [asyncio.ensure_future(passed(line, gate)) for _ in range(9)]
    refused, others = await asyncio.wait(callers, return_when=asyncio.FIRST_COMPLETED)
    await settled(line, 3)
    assert {type(task.exception()) for task in refused} == {Overloaded}
    gate.open.set()
    assert await asyncio.gather(*others) == [True] * 5
    assert len(refused) == 4
    assert await passed(line, gate)
    line.close()


async def test_who_has_waited_for_long_enough_is_refused() -> None:
    line, gate = line_of(1, 3, patience_s=0.05), Gate()
    first = await at_work(line, gate)
    with pytest.raises(Overloaded, match=r"waited 0\.05 s for the gate"):
        await passed(line, gate)
    assert line.waiting == 0
    gate.open.set()
    assert await first
    line.close()


async def test_who_leaves_gives_up_his_place_and_the_thread_is_free_when_it_has_ended() -> None:
    line, gate, unused, other = line_of(1, 9), Gate(), Gate(), Gate()
    leaving = await at_work(line, gate)
    waiting, last = (asyncio.ensure_future(passed(line, one)) for one in (unused, other))
    await settled(line, 2)
    waiting.cancel()
    leaving.cancel()
    await settled(line, 0)  # the last one has a place, and waits for the thread
    assert not other.entered.is_set()
    other.open.set()
    gate.open.set()
    assert await asyncio.wait_for(last, WAIT_S)
    assert not unused.entered.is_set()
    line.close()


async def test_a_failure_is_its_callers_and_the_thread_goes_on() -> None:
    line = line_of(1, 1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await line.run(divmod, 1, 0)
    assert await line.run(divmod, 7, 2) == (3, 1)
    line.close()


async def test_a_request_s_context_goes_along() -> None:
    token = request_id.set("of this request")
    line = line_of(1, 1)
    assert await line.run(request_id.get) == "of this request"
    request_id.reset(token)
    line.close()
