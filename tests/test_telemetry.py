"""The stopwatch counts what is done at the same time once."""

import contextlib

from service.telemetry import Stopwatch, stage_seen


class Clock:
    """Shows what it is set to, in seconds."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_stage_under_way_more_than_once_is_counted_once() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    first, second = contextlib.ExitStack(), contextlib.ExitStack()
    first.enter_context(watch.stage("locate"))
    clock.now_s = 1.0
    second.enter_context(watch.stage("locate"))
    clock.now_s = 3.0
    first.close()
    clock.now_s = 4.0
    second.close()
    assert watch.read_ms() == {"locate": 4000.0, "total": 4000.0}


def test_a_stage_that_takes_place_again_adds_to_its_time_also_when_it_fails() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    for start_s in (1.0, 5.0):
        clock.now_s = start_s
        with contextlib.suppress(KeyError), watch.stage("embed"):
            clock.now_s += 0.5
            raise KeyError
    assert watch.read_ms() == {"embed": 1000.0, "total": 5500.0}


def test_whoever_wants_to_know_is_told_of_each_stage_when_it_is_over() -> None:
    clock, seen = Clock(), []
    token = stage_seen.set(lambda *stage: seen.append(stage))
    watch = Stopwatch(clock)
    stage_seen.reset(token)
    for start_s in (1.0, 5.0):
        clock.now_s = start_s
        with contextlib.suppress(KeyError), watch.stage("embed"), watch.stage("embed"):
            clock.now_s += 0.5
            raise KeyError
    assert seen == [("embed", 1.0, 1.5), ("embed", 5.0, 5.5)]
    with Stopwatch(clock).stage("views"):
        assert len(seen) == 2, "who is not asked is not told"
