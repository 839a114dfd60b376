"""When something is asked again: by the law, and from what a service says."""

from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.client.retrying import Attempts, Retries, retry_after_s

NOW = datetime(2027, 1, 31, 12, 0, 0, tzinfo=UTC)
CHANCES = st.floats(0, 1, exclude_max=True)


def response(value: str) -> httpx.Response:
    return httpx.Response(503, headers={"Retry-After": value})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (" 12 ", 12.0),
        ("Sun, 31 Jan 2027 12:00:30 GMT", 30.0),
        ("Sun, 31 Jan 2027 11:00:00 GMT", 0.0),
        ("9" * 50, 1e9),
        ("-3", None),
        ("soon", None),
        ("", None),
        ("Sun, 99 Jan 2027", None),
    ],
)
def test_a_service_says_in_seconds_or_by_a_date_when_to_ask_again(value: str, seconds: float | None) -> None:
    assert retry_after_s(response(value), lambda: NOW) == seconds


@given(
    deadline_s=st.floats(0.01, 1e4),
    jitter=st.floats(0, 1),
    refusals=st.lists(st.none() | st.floats(0, 1e5), min_size=1, max_size=30),
    chance=CHANCES,
)
def test_waits_end_before_the_deadline_and_never_before_what_was_asked_for(
    deadline_s: float, jitter: float, refusals: list[float | None], chance: float
) -> None:
    now_s = 0.0
    attempts = Attempts(Retries(jitter=jitter), deadline_s, lambda: now_s, lambda: chance)
    for wanted_s in refusals:
        wait_s = attempts.after_refusal(503, "overloaded", wanted_s)
        if wait_s is None:
            least_s = 0.25 if wanted_s is None else wanted_s
            assert wanted_s is None or least_s + chance * jitter * max(least_s, 0.25) >= deadline_s - now_s
            break
        assert wait_s >= (wanted_s or 0)
        assert now_s + wait_s < deadline_s
        now_s += wait_s


def test_without_word_from_the_service_waits_double_up_to_a_bound() -> None:
    attempts = Attempts(Retries(first_wait_s=1, most_wait_s=5, jitter=0), 1000, lambda: 0.0)
    waits = [attempts.after_refusal(503, "", None) for _ in range(5)]
    assert waits == [1, 2, 4, 5, 5]


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "model_failed"), (422, "invalid_fields"), (504, "deadline_exceeded"), (503, "database_corrupt")],
)
def test_what_patience_does_not_mend_is_not_asked_again(status: int, code: str) -> None:
    assert Attempts(Retries(), None, lambda: 0.0).after_refusal(status, code, 1) is None


def test_what_may_have_arrived_is_sent_again_only_where_that_does_no_harm() -> None:
    attempts = Attempts(Retries(connections=9), None, lambda: 0.0)
    assert attempts.after_break(httpx.ConnectError(""), repeatable=False) is not None
    assert attempts.after_break(httpx.ReadError(""), repeatable=True) is not None
    assert attempts.after_break(httpx.ReadError(""), repeatable=False) is None
    assert attempts.after_break(httpx.ReadTimeout(""), repeatable=True) is None


def test_broken_connections_are_tried_so_many_times_in_all() -> None:
    attempts = Attempts(Retries(connections=3), None, lambda: 0.0)
    waits = [attempts.after_break(httpx.ConnectError(""), repeatable=True) for _ in range(3)]
    assert [wait is None for wait in waits] == [False, False, True]


@pytest.mark.parametrize("wrong", [{"deadline_s": 0}, {"connections": 0}, {"first_wait_s": 0}, {"jitter": 2}])
def test_retries_that_cannot_be_meant_cannot_be_made(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"cannot be meant|jitter"):
        Retries(**wrong)  # type: ignore[arg-type]
