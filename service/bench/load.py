"""The load generator, a process of its own: `python -m service.bench.load` takes jobs as lines of JSON.

A closed loop keeps so many callers asking, each as soon as it was answered. An open loop sends at its own times,
whatever comes back, and counts each wait from the time the request was due, so that a stalled server is not spared the
requests that it held up.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from service.bench.http_client import ConnectionLost, Pool
from service.bench.request import Request
from service.bench.worker import answer_jobs

ROUNDS = 2  # a window takes at least so many answers for each caller
LONGEST = 10  # a window that is not full after so many times its length, and a minute, ends
LONGEST_COUNT_S = 6 * 3600.0  # of a load without a length, which ends when its answers are there
LONGEST_ERROR = 300  # bytes that are quoted
HOPELESS = 50  # answers and not one as hoped for: there will be none
LAST_ANSWERS_S = 120.0  # an open loop waits so long after the last arrival
FAILURES = (OSError, ConnectionLost, ValueError)

clock = time.perf_counter


class Record:
    """Answers as they come. The window opens once every caller has been answered and closes when it is full.

    Only what says what is hoped for is a wait; one that never came is a wait too, see `give_up`.
    """

    def __init__(
        self, expects: str, warm: int, seconds: float, least: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._expects, self._warm, self._seconds, self._least = expects.encode(), warm, seconds, least
        self._longest_s = LONGEST * seconds + 60 if seconds else LONGEST_COUNT_S
        self._clock = clock
        self._began_s = clock()
        self._opened_s: float | None = None
        self._closed_s: float | None = None
        self.statuses: Counter[str] = Counter()
        self.waits_s: list[float] = []
        self.unexpected = self.unanswered = 0
        self._good = 0
        self.first_error = ""
        if not warm:
            self._opened_s = self._began_s

    @property
    def full(self) -> bool:
        return self._closed_s is not None

    @property
    def seconds(self) -> float:
        if self._opened_s is None:
            return 0.0
        return (self._closed_s or self._clock()) - self._opened_s

    def add(self, due_s: float, status: str, body: bytes = b"") -> None:
        now_s = self._clock()
        self.statuses[status] += 1
        good = status == "200" and self._expects in body
        self._good += good
        self.unexpected += status == "200" and not good
        if not good and not self.first_error:
            self.first_error = f"{status} {body[:LONGEST_ERROR].decode(errors='replace')}"
        if self._opened_s is None:
            if sum(self.statuses.values()) >= self._warm:
                self._opened_s = now_s
        elif not self.full and good:
            self.waits_s.append(now_s - due_s)
        if self._opened_s is not None and not self.full:
            hopeless = not self._good and self.statuses.total() >= HOPELESS
            long_enough = now_s - self._opened_s >= self._seconds and len(self.waits_s) >= self._least
            if hopeless or long_enough or now_s - self._began_s >= self._longest_s:
                self._closed_s = now_s

    def give_up(self, due_s: float) -> None:
        """No answer so far: its wait is at least so long, and no throughput."""
        self.statuses["unanswered"] += 1
        self.unanswered += 1
        self.waits_s.append(self._clock() - due_s)
        self.first_error = self.first_error or "unanswered"


async def ask(pool: Pool, message: bytes, due_s: float, record: Record) -> bool:
    """One request; whether there was an answer."""
    try:
        status, body = await pool.ask(message)
    except FAILURES as error:
        record.add(due_s, type(error).__name__)
        return False
    record.add(due_s, str(status), body)
    return True


async def closed_loop(request: Request, concurrency: int, seconds: float, least: int | None) -> Record:
    """`least`: answers that the window takes at any rate. A caller whose connection fails leaves."""
    needed = ROUNDS * concurrency if least is None else least
    record = Record(request.expects, concurrency, seconds, needed)
    messages, pool = request.messages(), Pool(*request.address)

    async def caller() -> None:
        while not record.full:
            message = next(messages)
            if not await ask(pool, message, clock(), record):
                return

    await asyncio.gather(*(caller() for _ in range(concurrency)))
    await pool.close()
    return record


async def open_loop(request: Request, arrivals_s: Sequence[float], last_answers_s: float = LAST_ANSWERS_S) -> Record:
    """Requests at `arrivals_s` seconds from now; what has no answer `last_answers_s` after the last is given up."""
    record = Record(request.expects, 0, float("inf"), len(arrivals_s))
    pool, loop = Pool(*request.address), asyncio.get_running_loop()
    messages: Iterator[bytes] = request.messages()
    due_s: dict[asyncio.Task[bool], float] = {}
    all_sent = asyncio.Event()
    begin_s, loop_begin_s = clock(), loop.time()

    def send(after_s: float) -> None:
        task = loop.create_task(ask(pool, next(messages), begin_s + after_s, record))
        due_s[task] = begin_s + after_s
        if len(due_s) == len(arrivals_s):
            all_sent.set()

    for after_s in arrivals_s:
        loop.call_at(loop_begin_s + after_s, send, after_s)
    await all_sent.wait()
    _, late = await asyncio.wait(due_s, timeout=last_answers_s)
    for task in late:
        task.cancel()
        record.give_up(due_s[task])
    await asyncio.gather(*late, return_exceptions=True)
    await pool.close()
    return record


def answer(job: dict[str, Any]) -> dict[str, Any]:
    """`job`: the request's fields, and `arrivals_s` or `concurrency`, `seconds` and perhaps `least`."""
    request = Request(**job["request"])
    begin_s, cpu_s = clock(), time.process_time()
    if "arrivals_s" in job:
        record = asyncio.run(open_loop(request, job["arrivals_s"]))
    else:
        record = asyncio.run(closed_loop(request, job["concurrency"], job["seconds"], job.get("least")))
    return {
        "seconds": record.seconds,
        "latencies_ms": [1000 * wait_s for wait_s in record.waits_s],
        "statuses": dict(record.statuses),
        "unexpected": record.unexpected,
        "unanswered": record.unanswered,
        "first_error": record.first_error,
        "all_seconds": clock() - begin_s,
        "client_cpu_s": time.process_time() - cpu_s,
    }


if __name__ == "__main__":
    answer_jobs(answer)
