"""What goes wrong inside while requests are served: nobody gets a wrong answer, and few get none."""

import signal
import time
from pathlib import Path

import httpx
import pytest
from colour_load import WAIT_S, ask, callers, register  # type: ignore[import-not-found]
from light_models import (  # type: ignore[import-not-found]
    BROKEN,
    COLOURS,
    FAILS,
    HANGS,
    THREAD_ENDS,
    TOO_LITTLE_MEMORY,
)
from running import LightService, RunningService, running  # type: ignore[import-not-found]

pytestmark = pytest.mark.thorough

STALL_S = 1.0
SOON_S = 5.0  # what a busy machine may take on top


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    patience = {"stall_s": str(STALL_S), "canary_interval_s": "0.5", "request_timeout_s": "20", "drain_delay_s": "1.5"}
    return {"data_dir": str(tmp_path / "data"), **patience}


@pytest.fixture
def service(tmp_path: Path, settings: dict[str, str]):  # type: ignore[no-untyped-def]
    with running(tmp_path / "log", LightService, **settings) as started:
        register(started.url)
        yield started


def wait_until_unready(service: RunningService) -> str:
    """The reason that it gives."""
    until_s = time.monotonic() + WAIT_S
    while time.monotonic() < until_s:
        answer = httpx.get(f"{service.url}/readyz")
        if answer.status_code == 503:
            return str(answer.json()["reason"])
    raise AssertionError("the service stayed ready")


def test_a_fault_costs_its_own_picture_and_no_other_and_the_end_costs_none(service: RunningService) -> None:
    for colour in (FAILS, TOO_LITTLE_MEMORY, THREAD_ENDS):
        with callers(service.url) as answers:
            answers.wait_for(20)
            own = [ask(service.url, colour, salt) for salt in range(5)]
            answers.wait_for(20)
        assert [(answer.status_code, answer.json()["code"]) for answer in own] == [(500, "model_failed")] * 5
        assert not answers.wrong
        # A thread that ends takes the batch it was at with it; whatever else a model raises is its own picture's
        lost = sum(count for status, count in answers.statuses.items() if status != 200)
        assert lost <= (5 * 3 if colour == THREAD_ENDS else 0), answers.statuses
        service.wait_ready()
    with callers(service.url) as answers:
        answers.wait_for(20)
        service.process.send_signal(signal.SIGTERM)
        assert wait_until_unready(service) == "the service is stopping"
        assert httpx.get(f"{service.url}/livez").status_code == 200
        last = ask(service.url, COLOURS["red"], 99)  # not every load balancer has noticed yet
        assert (last.status_code, last.json()["label"], last.headers["connection"]) == (200, "red", "close")
    assert set(answers.statuses) == {200}
    assert not answers.wrong
    assert service.process.wait(WAIT_S) == 0


def test_a_model_that_hangs_is_unready_soon_and_the_process_ends(service: RunningService) -> None:
    with callers(service.url) as answers:
        answers.wait_for(20)
        with pytest.raises(httpx.ReadTimeout):
            ask(service.url, HANGS, timeout_s=0.2)
        began_s = time.monotonic()
        assert "the localizer has been computing for" in wait_until_unready(service)
        assert time.monotonic() - began_s < STALL_S + SOON_S
        assert service.process.wait(2 * STALL_S + 2 * SOON_S) == 70
    assert not answers.wrong
    [line] = [line for line in service.log_lines() if line["message"] == "the service cannot go on"]
    assert "the localizer hangs" in str(line["reason"])


def test_a_model_that_is_broken_is_found_by_the_canary_and_the_process_ends(service: RunningService) -> None:
    assert ask(service.url, BROKEN).status_code == 500
    assert "failed" in wait_until_unready(service)
    assert httpx.get(f"{service.url}/startupz").status_code == 200
    assert service.process.wait(2 * STALL_S + 2 * SOON_S) == 70
    assert "has failed on a picture of its own" in service.log.read_text()


def test_a_process_that_was_paused_goes_on(service: RunningService) -> None:
    service.process.send_signal(signal.SIGSTOP)
    with pytest.raises(httpx.TimeoutException):
        httpx.get(f"{service.url}/livez", timeout=4 * STALL_S)
    service.process.send_signal(signal.SIGCONT)
    with callers(service.url, 2) as answers:
        answers.wait_for(20)
    assert set(answers.statuses) == {200}
    assert service.process.poll() is None
    service.wait_ready()


def test_told_twice_to_end_it_ends_now(service: RunningService) -> None:
    with pytest.raises(httpx.ReadTimeout):
        ask(service.url, HANGS, timeout_s=0.2)  # which would be waited for
    service.process.send_signal(signal.SIGTERM)
    wait_until_unready(service)
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(SOON_S) == 128 + signal.SIGTERM


def test_what_hangs_does_not_hold_up_the_end_for_ever(tmp_path: Path, settings: dict[str, str]) -> None:
    patient = settings | {"stall_s": "100", "shutdown_grace_s": "1", "drain_delay_s": "0"}
    with running(tmp_path / "log", LightService, **patient) as service:
        register(service.url)
        with pytest.raises(httpx.ReadTimeout):
            ask(service.url, HANGS, timeout_s=0.2)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(WAIT_S) == 1
