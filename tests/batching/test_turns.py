"""Workers that compute with the same processors."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from hypothesis import given, settings
from hypothesis import strategies as st

from service.batching import Batcher
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
