import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, wait
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.batching import Batcher
from service.errors import ModelFailed, NotReady, Overloaded

WAIT_S = 20


class Gate:
    """A model that records its batches and holds each until it is let through."""

    def __init__(self, open_at_first: bool = True) -> None:
        self.batches: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        if open_at_first:
            self.open.set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.entered.release()
        assert self.open.wait(WAIT_S)
        if any(item < 0 for item in items):
            raise ValueError("negative")
        return [10 * item for item in items]

    def wait_until_entered(self) -> None:
        assert self.entered.acquire(timeout=WAIT_S)


def results(futures: Sequence[Future[int]]) -> list[int]:
    return [future.result(WAIT_S) for future in futures]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 99), max_size=40), st.integers(1, 7))
def test_every_item_gets_its_own_result_in_batches_of_bounded_size(items: list[int], max_batch: int) -> None:
    model = Gate()
    batcher = Batcher("model", model, max_batch=max_batch, max_waiting=100)
    assert results([batcher.submit(item) for item in items]) == [10 * item for item in items]
    batcher.close(WAIT_S)
    assert [item for batch in model.batches for item in batch] == items
    assert all(1 <= len(batch) <= max_batch for batch in model.batches)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(1, 12))
def test_a_batch_weighs_no_more_than_it_may_unless_one_item_alone_does(items: list[int], max_batch: int) -> None:
    model = Gate(open_at_first=False)
    batcher = Batcher("model", model, max_batch=max_batch, max_waiting=100, weigh=lambda item: item)
    futures = [batcher.submit(item) for item in items]
    model.open.set()
    assert results(futures) == [10 * item for item in items]
    batcher.close(WAIT_S)
    assert [item for batch in model.batches for item in batch] == items
    assert all(sum(batch) <= max_batch or len(batch) == 1 for batch in model.batches)
    for batch, following in pairwise(model.batches[1:]):  # the first may have started before the others came
        assert sum(batch) + following[0] > max_batch, "what still fits goes along"


def test_a_caller_who_left_weighs_nothing() -> None:
    model = Gate(open_at_first=False)
    batcher = Batcher("model", model, max_batch=4, max_waiting=100, weigh=lambda item: item)
    first = batcher.submit(1)
    model.wait_until_entered()
    left, *stayed = [batcher.submit(item) for item in (3, 2, 2)]
    assert left.cancel()
    model.open.set()
    assert results([first, *stayed]) == [10, 20, 20]
    assert model.batches == [[1], [2, 2]]
    batcher.close(WAIT_S)


def test_what_waits_while_a_batch_runs_forms_the_next_one() -> None:
    model = Gate(open_at_first=False)
    batcher = Batcher("model", model, max_batch=8, max_waiting=100)
    first = batcher.submit(0)
    model.wait_until_entered()
    rest = [batcher.submit(item) for item in range(1, 6)]
    assert batcher.health().waiting == 5
    assert batcher.health().running_for_s > 0
    model.open.set()
    assert results([first, *rest]) == [0, 10, 20, 30, 40, 50]
    assert model.batches == [[0], [1, 2, 3, 4, 5]]
    batcher.close(WAIT_S)
    assert not batcher.health().alive


def test_batches_and_their_items_are_counted() -> None:
    model = Gate(open_at_first=False)
    batcher = Batcher("model", model, max_batch=4, max_waiting=100)
    assert (batcher.health().batches, batcher.health().items) == (0, 0)
    first = batcher.submit(0)
    model.wait_until_entered()
    rest = [batcher.submit(item) for item in range(1, 6)]
    assert (batcher.health().batches, batcher.health().items) == (1, 1)
    model.open.set()
    results([first, *rest])
    assert (batcher.health().batches, batcher.health().items) == (3, 6)
    batcher.close(WAIT_S)


def test_a_full_queue_refuses_and_a_caller_who_left_frees_its_place() -> None:
    model = Gate(open_at_first=False)
    batcher = Batcher("model", model, max_batch=1, max_waiting=2)
    running = batcher.submit(0)
    model.wait_until_entered()
    waiting = [batcher.submit(1), batcher.submit(2)]
    with pytest.raises(Overloaded):
        batcher.submit(3)
    assert waiting[0].cancel()
    replacement = batcher.submit(4)
    model.open.set()
    assert results([running, waiting[1], replacement]) == [0, 20, 40]
    assert [1] not in model.batches
    batcher.close(WAIT_S)


def test_an_item_that_fails_does_so_alone() -> None:
    model = Gate(open_at_first=False)
    batcher = Batcher("model", model, max_batch=8, max_waiting=100)
    first = batcher.submit(0)
    model.wait_until_entered()
    futures = [batcher.submit(item) for item in (1, -2, 3)]
    model.open.set()
    assert first.result(WAIT_S) == 0
    assert futures[0].result(WAIT_S) == 10
    assert futures[2].result(WAIT_S) == 30
    with pytest.raises(ModelFailed) as caught:
        futures[1].result(WAIT_S)
    assert isinstance(caught.value.__cause__, ValueError)
    assert batcher.health().alive
    batcher.close(WAIT_S)


def test_an_error_with_a_status_of_its_own_reaches_the_caller_as_it_is() -> None:
    def refuse(_items: Sequence[int]) -> list[int]:
        raise Overloaded("out of memory")

    batcher = Batcher("model", refuse, max_batch=1, max_waiting=1)
    with pytest.raises(Overloaded, match="out of memory"):
        batcher.submit(1).result(WAIT_S)
    batcher.close(WAIT_S)


def test_a_model_that_returns_too_few_results_is_caught() -> None:
    batcher: Batcher[int, int] = Batcher("model", lambda _items: [], max_batch=4, max_waiting=4)
    with pytest.raises(ModelFailed):
        batcher.submit(1).result(WAIT_S)
    batcher.close(WAIT_S)


def test_closing_finishes_what_waits_and_takes_no_more() -> None:
    model = Gate(open_at_first=False)
    batcher = Batcher("model", model, max_batch=1, max_waiting=10)
    futures = [batcher.submit(item) for item in range(3)]
    model.wait_until_entered()
    closer = threading.Thread(target=batcher.close)
    closer.start()
    model.open.set()
    closer.join(WAIT_S)
    assert not wait(futures, WAIT_S).not_done
    assert results(futures) == [0, 10, 20]
    with pytest.raises(NotReady):
        batcher.submit(9)


@pytest.mark.parametrize("bounds", [{"max_batch": 0, "max_waiting": 1}, {"max_batch": 1, "max_waiting": 0}])
def test_bounds_below_one_are_refused(bounds: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Batcher("model", Gate(), **bounds)


@pytest.mark.parametrize("interruption", [SystemExit, KeyboardInterrupt])
def test_a_worker_told_to_end_fails_its_batch_and_goes_on(interruption: type[BaseException]) -> None:
    gate = Gate(open_at_first=False)

    def model(items: Sequence[int]) -> list[int]:
        found = gate(items)
        if 7 in items:
            raise interruption
        return found

    batcher = Batcher("model", model, max_batch=2, max_waiting=9)
    before = batcher.submit(1)
    gate.wait_until_entered()
    during, beside, after = (batcher.submit(item) for item in (7, 8, 9))
    gate.open.set()
    assert before.result(WAIT_S) == 10
    for future in (during, beside):
        assert isinstance(future.exception(WAIT_S), ModelFailed)
    assert after.result(WAIT_S) == 90
    assert batcher.health().alive
    assert batcher.close(WAIT_S)


def test_failures_are_counted_until_one_call_goes_well() -> None:
    errors: list[Exception] = [ValueError("a"), MemoryError("b"), NotReady("its own words")]

    def model(items: Sequence[int]) -> list[int]:
        if errors:
            raise errors.pop(0)
        return list(items)

    batcher = Batcher("model", model, max_batch=1, max_waiting=9)
    seen = []
    for item in range(4):
        batcher.submit(item).exception(WAIT_S)
        seen.append((batcher.health().failures, batcher.health().out_of_memory))
    assert seen == [(1, False), (2, True), (2, True), (0, False)]
    assert batcher.health().succeeded_ago_s < WAIT_S
    batcher.close(WAIT_S)


def test_a_worker_that_does_not_end_in_time_is_told_of() -> None:
    gate = Gate(open_at_first=False)
    batcher = Batcher("model", gate, max_batch=1, max_waiting=9)
    waiting = batcher.submit(1)
    gate.wait_until_entered()
    assert not batcher.close(0.01)
    gate.open.set()
    assert waiting.result(WAIT_S) == 10
    assert batcher.close(WAIT_S)


def test_the_time_of_a_call_is_its_own_however_long_a_batch_is_tried_item_by_item() -> None:
    """Else a model that makes progress would be taken for one that hangs."""
    entered, go = threading.Semaphore(0), threading.Semaphore(0)

    def model(items: Sequence[int]) -> list[int]:
        entered.release()
        assert go.acquire(timeout=WAIT_S)
        if -1 in items:
            raise ValueError
        return list(items)

    batcher = Batcher("model", model, max_batch=3, max_waiting=9)
    futures = [batcher.submit(0)]
    assert entered.acquire(timeout=WAIT_S)
    futures += [batcher.submit(item) for item in (2, -1, 3)]  # the second fails all three, and each is tried alone
    for _ in range(4):
        while batcher.health().running_for_s < 0.05:
            threading.Event().wait(0.005)
        left_s = time.monotonic()
        go.release()
        assert entered.acquire(timeout=WAIT_S)
        assert batcher.health().running_for_s <= time.monotonic() - left_s
    go.release()
    assert [future.exception(WAIT_S) is None for future in futures] == [True, True, False, True]
    batcher.close(WAIT_S)
