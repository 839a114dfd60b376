"""How often a key may ask: with a clock that stands still unless it is moved."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from key_making import Clock  # type: ignore[import-not-found]

from service.access.keys import Key
from service.access.limits import Limits
from service.errors import RateLimited


def key(name: str = "a", **limits: Any) -> Key:
    return Key(name=name, sha256="0" * 64, scopes=("classify",), expires=datetime.max.astimezone(), **limits)


def asks(limits: Limits, who: Key) -> bool:
    """One whole request; whether it was let in."""
    if wait_s(limits, who):
        return False
    limits.leave(who)
    return True


def wait_s(limits: Limits, who: Key) -> int:
    """What is told to who asks: 0 where he is let in."""
    try:
        limits.enter(who)
    except RateLimited as error:
        return error.retry_after_s or -1
    return 0


def test_who_has_no_limits_is_let_in() -> None:
    limits = Limits(Clock())
    assert all(asks(limits, key()) for _ in range(1000))


def test_a_minutes_requests_may_come_at_once_and_then_as_time_allows() -> None:
    clock = Clock()
    limits, who = Limits(clock), key(per_minute=30)
    assert [asks(limits, who) for _ in range(31)] == [True] * 30 + [False]
    with pytest.raises(RateLimited, match="30 times a minute") as refused:
        limits.enter(who)
    assert refused.value.retry_after_s == 2
    clock.now_s += 2
    assert [asks(limits, who) for _ in range(2)] == [True, False]
    clock.now_s += 3600
    assert [asks(limits, who) for _ in range(31)] == [True] * 30 + [False]


def test_one_keys_limit_is_not_anothers() -> None:
    limits = Limits(Clock())
    first, second = key("a", per_minute=1, concurrent=1), key("b", per_minute=1, concurrent=1)
    limits.enter(first)
    limits.enter(second)
    for who in (first, second):
        with pytest.raises(RateLimited):
            limits.enter(who)


def test_no_more_are_inside_than_may_and_who_leaves_makes_room() -> None:
    limits, who = Limits(Clock()), key(concurrent=2)
    limits.enter(who)
    limits.enter(who)
    with pytest.raises(RateLimited, match="2 requests of this key") as refused:
        limits.enter(who)
    assert refused.value.retry_after_s == 1
    limits.leave(who)
    limits.enter(who)


def test_what_is_refused_for_one_limit_does_not_count_for_the_other() -> None:
    limits, who = Limits(Clock()), key(per_minute=2, concurrent=1)
    limits.enter(who)
    for _ in range(5):
        with pytest.raises(RateLimited, match="at a time"):
            limits.enter(who)
    limits.leave(who)
    assert asks(limits, who)
    for _ in range(5):
        with pytest.raises(RateLimited, match="a minute"):
            limits.enter(who)


def test_a_changed_limit_holds_at_once() -> None:
    clock = Clock()
    limits = Limits(clock)
    assert sum(asks(limits, key(per_minute=100)) for _ in range(10)) == 10
    assert sum(asks(limits, key(per_minute=5)) for _ in range(10)) == 5
    assert asks(limits, key())


@given(
    per_minute=st.integers(1, 1000),
    pauses_s=st.lists(st.floats(0, 120, allow_nan=False), min_size=1, max_size=200),
)
def test_never_more_than_a_minutes_and_what_time_allows_and_who_waits_as_told_is_let_in(
    per_minute: int, pauses_s: list[float]
) -> None:
    clock = Clock()
    limits, who = Limits(clock), key(per_minute=per_minute)
    begin_s, admitted = clock.now_s, 0
    for pause_s in pauses_s:
        clock.now_s += pause_s
        admitted += asks(limits, who)
        assert admitted <= per_minute + (clock.now_s - begin_s) * per_minute / 60 + 1e-3
    for _ in range(per_minute):
        told_s = wait_s(limits, who)
        if told_s:
            assert 1 <= told_s <= 60
            clock.now_s += told_s
            assert wait_s(limits, who) == 0
            return
