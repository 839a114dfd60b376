"""Workers that compute with the same processors."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.batching import Batcher
from service.errors import ModelFailed, NotReady
from service.turns import Turns

WAIT_S = 20


def until_waiting(turns: Turns, count: int) -> None:
    while turns.waiting < count:
        threading.Event().wait(0.001)


def test_turns_are_taken_in_the_order_of_asking() -> None:
    turns, order, asked = Turns(), list[int](), threading.Semaphore(0)

    def take(number: int) -> None:
        asked.release()
        with turns:
            order.append(number)

    with ThreadPoolExecutor(3) as pool:
        with turns:
            works = []
            for number in range(3):
                works.append(pool.submit(take, number))
                assert asked.acquire(timeout=WAIT_S)
                until_waiting(turns, number + 1)
            assert order == []
        wait(works, WAIT_S)
    assert order == [0, 1, 2]


@settings(max_examples=20)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=30))
def test_batchers_with_one_turn_never_compute_at_the_same_time_and_answer_everything(works: list[int]) -> None:
    turn, inside, most = Turns(), [0], [0]

    def run(items: Sequence[int]) -> list[int]:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        results = [item + 1 for item in items]
        inside[0] -= 1
        return results

    batchers: list[Batcher[int, int]] = [
        Batcher(f"model {number}", run, max_batch=2, max_waiting=100, turn=turn) for number in range(3)
    ]
    futures: list[Future[int]] = [batchers[which].submit(place) for place, which in enumerate(works)]
    assert [future.result(WAIT_S) for future in futures] == [place + 1 for place in range(len(works))]
    assert most[0] == 1
    for batcher in batchers:
        batcher.close(WAIT_S)


def test_a_batch_forms_while_another_has_the_turn() -> None:
    turn, batches = Turns(), list[list[int]]()

    def run(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        return list(items)

    batcher: Batcher[int, int] = Batcher("model", run, max_batch=4, max_waiting=10, turn=turn)
    with turn:
        futures = [batcher.submit(number) for number in range(3)]
        assert batcher.health().waiting == 3
    assert [future.result(WAIT_S) for future in futures] == [0, 1, 2]
    assert batches == [[0, 1, 2]]
    batcher.close(WAIT_S)


def test_what_hangs_is_waited_for_no_more() -> None:
    turn, held = Turns(0.05), threading.Event()
    hanging: Batcher[int, bool] = Batcher(
        "hanging", lambda items: [held.wait(WAIT_S) for _ in items], max_batch=1, max_waiting=5, turn=turn
    )
    other: Batcher[int, int] = Batcher("other", list, max_batch=1, max_waiting=5, turn=turn)
    stuck = hanging.submit(1)
    while hanging.health().running_for_s == 0:
        threading.Event().wait(0.001)
    assert [other.submit(number).result(WAIT_S) for number in range(3)] == [0, 1, 2]
    assert not stuck.done()
    held.set()
    assert stuck.result(WAIT_S)
    for batcher in (hanging, other):
        batcher.close(WAIT_S)


class Computers:
    """Models that record how many processors are at work at most, and what was called for how many items."""

    def __init__(self, processors: int) -> None:
        self.processors, self.lock = processors, threading.Lock()
        self.busy = self.most = 0
        self.calls: list[tuple[str, int]] = []

    def run(self, name: str, processors: int, items: Sequence[int]) -> list[int]:
        with self.lock:
            self.calls.append((name, len(items)))
            self.busy += processors
            self.most = max(self.most, self.busy)
        results = [item + 1 for item in items]
        with self.lock:
            self.busy -= processors
        return results

    def batcher(self, turn: Turns, *, splits: bool) -> Batcher[int, int]:
        lanes = [partial(self.run, "lane", 1) for _ in range(self.processors)] if splits else []
        whole = partial(self.run, "whole", self.processors)
        return Batcher("model", whole, max_batch=3, max_waiting=100, turn=turn, lanes=lanes)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=30), st.integers(1, 4), st.integers(0, 5)
)
def test_no_processor_has_two_works_and_everything_is_answered(
    works: list[tuple[int, bool]], processors: int, customers: int
) -> None:
    turn, computers = Turns(processors=processors), Computers(processors)
    batchers = [computers.batcher(turn, splits=splits) for splits in (True, True, False)]
    with ExitStack() as stack:
        for _ in range(customers):
            stack.enter_context(turn.customer())
        futures = []
        for place, (which, whole_turn) in enumerate(works):
            futures.append(batchers[which].submit(place))
            if whole_turn:
                with turn:
                    computers.run("visitor", processors, [])
        assert [future.result(WAIT_S) for future in futures] == [place + 1 for place in range(len(works))]
    assert computers.most <= processors
    assert all(count == 1 for name, count in computers.calls if name == "lane")
    assert all(batcher.close(WAIT_S) for batcher in batchers)


@pytest.mark.parametrize(
    ("processors", "customers", "called"),
    [(2, 0, "whole"), (2, 1, "whole"), (2, 2, "lane"), (4, 2, "whole"), (4, 3, "lane"), (1, 1, "whole")],
)
def test_each_has_one_processor_where_that_keeps_more_than_half_of_them_busy(
    processors: int, customers: int, called: str
) -> None:
    turn, computers = Turns(processors=processors), Computers(processors)
    batcher = computers.batcher(turn, splits=True)
    with ExitStack() as stack:
        for _ in range(customers):
            stack.enter_context(turn.customer())
        assert batcher.submit(1).result(WAIT_S) == 2
    assert computers.calls == [(called, 1)]
    assert batcher.close(WAIT_S)


def test_what_waits_together_is_computed_side_by_side_without_being_announced() -> None:
    turn, together = Turns(processors=2), threading.Barrier(2)

    def lane(items: Sequence[int]) -> list[int]:
        together.wait(WAIT_S)
        return list(items)

    def whole(_items: Sequence[int]) -> list[int]:
        raise AssertionError

    batcher: Batcher[int, int] = Batcher("model", whole, max_batch=9, max_waiting=9, turn=turn, lanes=[lane, lane])
    with turn:
        futures = [batcher.submit(number) for number in range(2)]
        until_waiting(turn, 2)
    assert [future.result(WAIT_S) for future in futures] == [0, 1]
    assert batcher.health().batch_sizes == {1: 2}
    assert batcher.close(WAIT_S)


def test_a_lane_that_hangs_is_told_of_and_the_others_go_on() -> None:
    turn, held, entered = Turns(0.05, processors=2), threading.Event(), threading.Event()

    def lane(items: Sequence[int]) -> list[int]:
        if items[0] == 0:
            entered.set()
            assert held.wait(WAIT_S)
        return list(items)

    batcher: Batcher[int, int] = Batcher("model", lane, max_batch=9, max_waiting=9, turn=turn, lanes=[lane, lane])
    with turn.customer(), turn.customer():
        stuck = batcher.submit(0)
        assert entered.wait(WAIT_S)
        assert [batcher.submit(number).result(WAIT_S) for number in (1, 2, 3)] == [1, 2, 3]
        assert batcher.health().running_for_s > 0
        with turn:  # what wants all processors does not wait for it either
            assert not stuck.done()
        assert not batcher.close(0.01)
        held.set()
        assert stuck.result(WAIT_S) == 0
    assert batcher.close(WAIT_S)


@pytest.mark.parametrize("interruption", [SystemExit, KeyboardInterrupt])
def test_lanes_that_are_told_to_end_go_on(interruption: type[BaseException]) -> None:
    def lane(items: Sequence[int]) -> list[int]:
        if items[0] < 0:
            raise interruption
        return list(items)

    turn = Turns(processors=2)
    batcher: Batcher[int, int] = Batcher("model", lane, max_batch=9, max_waiting=99, turn=turn, lanes=[lane, lane])
    with turn.customer(), turn.customer():
        futures = [batcher.submit(number) for number in (-1, -2, 3, -4, 5, 6)]
        outcomes = [future.exception(WAIT_S) for future in futures]
    assert [type(outcome) for outcome in outcomes] == [
        ModelFailed, ModelFailed, type(None), ModelFailed, type(None), type(None)
    ]  # fmt: skip
    assert batcher.health().alive
    assert batcher.close(WAIT_S)


def submit_for_ever(batcher: Batcher[int, int]) -> None:
    while True:
        batcher.submit(0).cancel()


def test_workers_of_a_closed_batcher_finish_what_waits() -> None:
    turn, computers = Turns(processors=3), Computers(3)
    batcher = computers.batcher(turn, splits=True)
    with ThreadPoolExecutor(1) as pool:
        with turn:
            futures = [batcher.submit(number) for number in range(7)]
            closing = pool.submit(batcher.close, WAIT_S)
            with pytest.raises(NotReady):
                submit_for_ever(batcher)
        assert closing.result(WAIT_S)
    assert [future.result(WAIT_S) for future in futures] == list(range(1, 8))


def test_a_turn_begins_with_as_many_processors_as_were_free_for_it() -> None:
    """What waits is another's, and may change at any time."""
    told = iter([9, 9, 1, 1, 1])  # the first is asked when there is room for one alone
    turn = Turns(processors=4)
    with turn.taken(lambda: 9) as first, turn.taken(lambda: next(told)) as second:
        assert (first, second) == (False, False)


def test_the_first_is_asked_again_where_more_wait() -> None:
    turn, works = Turns(processors=4), [1]
    begun = threading.Event()

    def second() -> None:
        with turn.taken(lambda: works[0]):
            begun.set()

    with ThreadPoolExecutor(2) as pool, turn.taken(lambda: 9):
        waiting = pool.submit(second)  # it wants all four, as two works are too few for one each
        until_waiting(turn, 1)
        assert not begun.is_set()
        works[0] = 5
        another = pool.submit(second)
        wait([waiting, another], WAIT_S)
        assert begun.is_set()


def test_who_fails_while_waiting_is_out_of_the_way() -> None:
    turn = Turns(processors=2)

    def failing() -> int:
        raise MemoryError

    with pytest.raises(MemoryError), turn.taken(failing):
        raise AssertionError
    assert turn.waiting == 0
    with turn, ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: turn.waiting).result(WAIT_S) == 0


def test_what_hangs_is_waited_for_once() -> None:
    turn, held = Turns(0.2, processors=2), threading.Event()

    def hang() -> None:
        with turn.taken(lambda: 2):
            assert held.wait(WAIT_S)

    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(hang)
        while not turn.at_work:
            threading.Event().wait(0.001)
        until_hanging = time.monotonic()
        with turn:
            assert time.monotonic() - until_hanging > 0.1
        began_s = time.monotonic()
        for _ in range(100):
            with turn:
                pass
        assert time.monotonic() - began_s < 0.2
        held.set()
        hanging.result(WAIT_S)


def test_an_item_too_heavy_for_a_batch_takes_all_processors() -> None:
    turn, called = Turns(processors=2), list[str]()

    def run(name: str, items: Sequence[int]) -> list[int]:
        called.append(name)
        return list(items)

    lane = partial(run, "lane")
    batcher: Batcher[int, int] = Batcher(
        "model", partial(run, "whole"), max_batch=4, max_waiting=9, weigh=int, turn=turn, lanes=[lane, lane]
    )
    with turn.customer(), turn.customer():
        for weight in (4, 5, 1):
            assert batcher.submit(weight).result(WAIT_S) == weight
    assert called == ["lane", "whole", "lane"]
    assert batcher.close(WAIT_S)


def one_each(batcher: Batcher[int, int], turn: Turns) -> list[int | BaseException]:
    """The outcomes of two items that both workers take together."""
    with turn:
        futures = [batcher.submit(number) for number in range(2)]
        until_waiting(turn, 2)
    return [future.exception(WAIT_S) or future.result() for future in futures]


def test_a_lane_that_only_fails_is_used_no_more(caplog: pytest.LogCaptureFixture) -> None:
    """Beside one that works, whose successes would hide it."""

    def broken(_items: Sequence[int]) -> list[int]:
        raise ValueError

    turn = Turns(processors=2)
    batcher: Batcher[int, int] = Batcher(
        "model", list, max_batch=9, max_waiting=9, turn=turn, lanes=[broken, lambda items: list(items)]
    )
    with turn.customer(), turn.customer():
        failed = [sum(isinstance(outcome, ModelFailed) for outcome in one_each(batcher, turn)) for _ in range(6)]
    assert failed == [1, 1, 1, 0, 0, 0]
    assert [record.message for record in caplog.records if record.levelname == "CRITICAL"] == [
        "a lane failed too often and is used no more"
    ]
    assert batcher.close(WAIT_S)


def test_a_lane_that_fails_now_and_then_stays() -> None:
    calls = list[int]()

    def moody(items: Sequence[int]) -> list[int]:
        calls.append(items[0])
        if len(calls) % 3:
            raise ValueError
        return list(items)

    turn = Turns(processors=2)
    batcher: Batcher[int, int] = Batcher(
        "model", list, max_batch=9, max_waiting=9, turn=turn, lanes=[moody, lambda items: list(items)]
    )
    with turn.customer(), turn.customer():
        for _ in range(12):
            one_each(batcher, turn)
    assert len(calls) == 12
    assert batcher.close(WAIT_S)
