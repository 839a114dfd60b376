"""What the workers' and the canary's state means."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.batch_record import WorkerHealth
from service.watching.canary import Trial, is_idle
from service.watching.judging import MOST_FAILURES, beyond_help_because, unready_because

WELL = WorkerHealth(alive=True, waiting=0, running_for_s=0.0)
STALL_S = 30.0
states = st.builds(
    WorkerHealth,
    alive=st.booleans(),
    waiting=st.integers(0, 9),
    running_for_s=st.floats(0, 200),
    failures=st.integers(0, 9),
    out_of_memory=st.booleans(),
)
trials = st.one_of(st.just(Trial()), st.builds(Trial, st.floats(0, 200), st.just("no box")))


def test_a_service_at_work_is_ready_and_worth_keeping() -> None:
    workers = {"encoder": replace(WELL, running_for_s=STALL_S - 1, waiting=200, failures=MOST_FAILURES - 1)}
    assert unready_because(workers, Trial(), STALL_S) is None
    assert beyond_help_because(workers, Trial(), STALL_S) is None


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (replace(WELL, alive=False), "the encoder worker has died"),
        (replace(WELL, running_for_s=31.0), "the encoder has been computing for 31 s"),
        (replace(WELL, out_of_memory=True, failures=1), "the encoder ran out of memory"),
        (replace(WELL, failures=MOST_FAILURES), "the encoder failed 3 times in a row"),
    ],
)
def test_what_makes_it_unready(state: WorkerHealth, words: str) -> None:
    assert unready_because({"localizer": WELL, "encoder": state}, Trial(), STALL_S) == words


def test_a_canary_that_fails_makes_it_unready_and_at_last_hopeless() -> None:
    assert "of its own: no box" in (unready_because({"encoder": WELL}, Trial(1.0, "no box"), STALL_S) or "")
    assert beyond_help_because({"encoder": WELL}, Trial(60.0, "no box"), STALL_S) is None
    assert "for 61 s: no box" in (beyond_help_because({"encoder": WELL}, Trial(61.0, "no box"), STALL_S) or "")


@given(states, states, trials)
def test_what_is_beyond_help_is_not_ready_either(localizer: WorkerHealth, encoder: WorkerHealth, trial: Trial) -> None:
    workers = {"localizer": localizer, "encoder": encoder}
    if beyond_help_because(workers, trial, STALL_S):
        assert unready_because(workers, trial, STALL_S)


def test_a_worker_that_computes_or_has_to_is_not_idle() -> None:
    assert is_idle(WELL)
    assert not is_idle(replace(WELL, running_for_s=1.0))
    assert not is_idle(replace(WELL, waiting=1))
