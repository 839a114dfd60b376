"""Who is let in, by what is known of the pace."""

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import DeadlineExceeded, Overloaded
from service.stages.admission import MARGIN, Admission, Deadline, Place
from service.telemetry import Pace

LONG = Deadline(1000)


@dataclass
class Clock:
    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def admission(clock: Clock) -> Admission:
    made = Admission(max_waiting=100)
    made.pace = Pace(clock)
    return made


def begun(admission: Admission) -> Place:
    place = Place(admission.occupancy, admission.pace, LONG)
    place.begin()
    return place


def work(admission: Admission, clock: Clock, *took_s: float) -> None:
    """Pictures one after the other."""
    for each_s in took_s:
        place = begun(admission)
        clock.now_s += each_s
        place.leave(worked=True)


def test_before_anything_is_known_only_the_bound_refuses(admission: Admission) -> None:
    for _ in range(100):
        admission.judge(1, 0.001)
        begun(admission)
    with pytest.raises(Overloaded, match="100 pictures") as refusal:
        admission.judge(1, 1000)
    assert refusal.value.retry_after_s == 1


def test_who_would_wait_for_too_long_is_told_for_how_long(admission: Admission, clock: Clock) -> None:
    work(admission, clock, *[2.0] * 5)
    for _ in range(4):
        begun(admission)
    admission.judge(1, 5 * 2 * MARGIN)
    with pytest.raises(Overloaded, match=r"would take 20\.0 s") as refusal:
        admission.judge(1, 10.5)
    assert refusal.value.retry_after_s == 10
    with pytest.raises(Overloaded, match=r"would take 20\.0 s, and has to come within 20 ms"):
        admission.judge(1, 0.02)
    with pytest.raises(Overloaded):
        admission.judge(2, 5 * 2 * MARGIN)


def test_an_idle_service_refuses_nobody_whose_time_is_not_over(admission: Admission, clock: Clock) -> None:
    work(admission, clock, 1000.0)
    admission.judge(500, 0.001)
    with pytest.raises(DeadlineExceeded):
        admission.judge(1, 0.0)


def test_times_without_work_do_not_count(admission: Admission, clock: Clock) -> None:
    for _ in range(10):
        work(admission, clock, 1.0)
        clock.now_s += 1000
    begun(admission)
    assert admission.expected_s(1) == pytest.approx(2 * MARGIN)


def test_pictures_that_cost_nothing_say_nothing_about_the_pace(admission: Admission, clock: Clock) -> None:
    """Neither those known already nor those whose callers left, alone or beside others."""
    for _ in range(20):
        quick = begun(admission)
        clock.now_s += 0.001
        quick.leave()
    for _ in range(40):
        working = begun(admission)
        for _ in range(10):
            quick = begun(admission)
            clock.now_s += 0.1
            quick.leave()
        working.leave(worked=True)
    begun(admission)
    assert admission.expected_s(0) == pytest.approx(MARGIN)


def test_the_services_own_picture_is_always_let_in_and_only_the_first_tells_of_the_pace(
    admission: Admission, clock: Clock
) -> None:
    first = admission.own_place(5.0)
    first.begin()
    clock.now_s += 1
    first.leave(worked=True)
    for _ in range(100):
        begun(admission)
    later = admission.own_place(5.0)
    later.begin()
    assert admission.occupancy.inside == 100
    later.leave(worked=True)
    assert admission.expected_s(0) == pytest.approx(100 * MARGIN)


def test_what_is_only_decoded_is_no_work_of_the_models(admission: Admission, clock: Clock) -> None:
    work(admission, clock, 1.0)
    hanging = Place(admission.occupancy, admission.pace, LONG)
    for _ in range(5):
        clock.now_s += 10
        work(admission, clock, 1.0)
    assert admission.expected_s(0) == pytest.approx(MARGIN)
    hanging.leave()


def test_a_picture_that_hangs_is_noticed_before_it_ends(admission: Admission, clock: Clock) -> None:
    work(admission, clock, *[0.1] * 100)
    begun(admission)
    clock.now_s += 320
    expected_s = admission.expected_s(1)
    assert expected_s is not None
    assert expected_s > 20


def test_a_place_is_left_once_and_all_at_the_end(admission: Admission, clock: Clock) -> None:
    with admission.place(LONG), admission.place(LONG) as second:
        assert admission.occupancy.inside == 2
        second.begin()
        clock.now_s += 1
        second.leave(worked=True)
        second.leave(worked=True)
        second.leave()
        assert admission.occupancy.inside == 1
    assert admission.occupancy.inside == 0
    begun(admission)
    assert admission.expected_s(0) == pytest.approx(MARGIN)


@pytest.mark.parametrize("timeout_s", [0, -1.0])
def test_a_deadline_lies_ahead(timeout_s: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        Deadline(timeout_s)


intervals = st.lists(st.floats(0.001, 100), min_size=1, max_size=100)


@given(intervals)
def test_the_mean_lies_between_the_least_and_the_most(took_s: list[float]) -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.begin()
    for each_s in took_s:
        pace.begin()
        clock.now_s += each_s
        pace.end(completed=True)
    assert pace.mean_s is not None
    assert min(took_s) * (1 - 1e-9) <= pace.mean_s <= max(took_s) * (1 + 1e-9)


@given(intervals, st.integers(0, 50), st.integers(1, 50), st.floats(0.001, 10_000))
def test_what_is_let_in_was_expected_in_time_and_what_is_not_was_not(
    took_s: list[float], inside: int, pictures: int, left_s: float
) -> None:
    clock, admission = Clock(), Admission(max_waiting=1000)
    admission.pace = Pace(clock)
    work(admission, clock, *took_s)
    for _ in range(inside):
        begun(admission)
    expected_s = admission.expected_s(pictures)
    assert expected_s is not None
    if inside and expected_s > left_s:
        with pytest.raises(Overloaded) as refusal:
            admission.judge(pictures, left_s)
        assert refusal.value.retry_after_s == max(1, math.ceil(expected_s - left_s))
    else:
        admission.judge(pictures, left_s)
