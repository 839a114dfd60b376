"""Ten times as much as can be served, over real sockets, against a service in a process of its own."""

import asyncio
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from offering import Offering, Outcome, picture_request, quantile  # type: ignore[import-not-found]
from PIL import Image
from running import running  # type: ignore[import-not-found]

TESTS = Path(__file__).parents[1]
PICTURE_S = 0.1
RECOVERY_S = 5
REFUSED_IN_S = 0.05
MORE = 10
Report = Callable[[str, object], None]


def noise_png(seed: int, size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    rows = np.random.default_rng(seed).integers(0, 255, (size[1] // 16, size[0] // 16, 3), np.uint8)
    Image.fromarray(rows).resize(size).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


@pytest.fixture
def timed_service(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Its port and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(TESTS / "timed_service.py"), str(port), str(tmp_path), str(PICTURE_S)]
    environment = os.environ | {"PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}
    log = (tmp_path / "log").open("wb")
    with log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process:
        try:
            wait_ready(process, port, tmp_path / "log")
            yield port, process.pid
        finally:
            process.terminate()


def wait_ready(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    with httpx.Client() as client:
        while True:
            with suppress(httpx.TransportError):
                if client.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                    return
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
                raise AssertionError(f"the service ended with {process.returncode}:\n{log.read_text()}")


async def overload(
    port: int, pid: int, requests: Sequence[bytes], capacity_per_s: float, seconds: float
) -> tuple[list[Outcome], float, float]:
    """What became of ten times the capacity, for how many seconds nobody was answered after it, and by how many bytes
    the process grew in its second half."""
    offering = Offering(port, requests)
    for _ in range(5):
        assert (await offering.ask()).status == 200
    outcomes = await offering.offer(MORE * capacity_per_s, seconds / 2)
    before = psutil.Process(pid).memory_info().rss
    outcomes += await offering.offer(MORE * capacity_per_s, seconds / 2)
    grown = psutil.Process(pid).memory_info().rss - before
    ended_s = time.monotonic()
    while (await offering.ask()).status != 200:
        assert time.monotonic() - ended_s < RECOVERY_S
    recovered_s = time.monotonic() - ended_s
    await offering.close()
    return outcomes, recovered_s, grown


def judge(outcomes: Sequence[Outcome], timeout_s: float, least: float, part: float, report: Report) -> None:
    """least: of the answered, at least so many. part: of the refusals that must come at once."""
    answered = [outcome.took_s for outcome in outcomes if outcome.status == 200]
    refused = [outcome for outcome in outcomes if outcome.status in (429, 503)]
    counts = Counter(outcome.status for outcome in outcomes)
    took_s = [outcome.took_s for outcome in refused]
    figures = {
        "statuses": dict(counts),
        "answered_p50_p99_max_s": [round(quantile(answered, place), 3) for place in (0.5, 0.99, 1)],
        "refused_p50_p99_max_ms": [round(1000 * quantile(took_s, place), 1) for place in (0.5, 0.99, 1)],
    }
    report("figures", json.dumps(figures))
    print(figures)  # noqa: T201  shown with -s
    assert set(counts) <= {200, 429, 503}, counts
    assert len(answered) >= least
    assert quantile(answered, 0.99) < timeout_s
    assert all(outcome.retry_after_s is not None and outcome.retry_after_s >= 1 for outcome in refused)
    assert quantile(took_s, part) < REFUSED_IN_S


@pytest.mark.thorough
def test_ten_times_too_much_is_refused_at_once_and_the_rest_answered_in_time(
    timed_service: tuple[int, int], record_property: Report
) -> None:
    port, pid = timed_service
    answer = httpx.post(f"http://127.0.0.1:{port}/datasets", json={"name": "two", "classes": ["bright", "dark"]})
    assert answer.status_code == 201, answer.text
    timeout_s, seconds = 2.0, 5
    requests = [picture_request(noise_png(seed, (64, 48)), "two", int(1000 * timeout_s)) for seed in range(500)]
    outcomes, recovered_s, grown = asyncio.run(overload(port, pid, requests, 1 / PICTURE_S, seconds))
    judge(outcomes, timeout_s, 0.7 * seconds / PICTURE_S, 0.5, record_property)  # others use the processors too
    assert recovered_s < RECOVERY_S
    assert grown < 30 * 2**20


@pytest.mark.slow
def test_the_real_models_under_ten_times_too_much(tmp_path: Path, models_cache: Path, record_property: Report) -> None:
    timeout_s, seconds = 10.0, 60
    settings = {"data_dir": str(tmp_path), "models_cache": str(models_cache), "embeddings_cache_mb": "0", "threads": ""}
    with running(tmp_path / "log", **settings) as service:
        answer = httpx.post(f"{service.url}/datasets", json={"name": "two", "classes": ["cat", "dog"]})
        assert answer.status_code == 201, answer.text
        requests = [picture_request(noise_png(seed, (640, 480)), "two", int(1000 * timeout_s)) for seed in range(50)]
        capacity = asyncio.run(capacity_of(service.port, requests))
        record_property("capacity_per_s", capacity)
        outcomes, recovered_s, grown = asyncio.run(
            overload(service.port, service.process.pid, requests, capacity, seconds)
        )
        record_property("recovered_s", recovered_s)
        record_property("grown_mb", grown / 2**20)
        print(f"{capacity=} {recovered_s=} {grown=}")  # noqa: T201  shown with -s
        judge(outcomes, timeout_s, 0.5 * capacity * seconds, 0.99, record_property)
        assert recovered_s < RECOVERY_S
        assert grown < 100 * 2**20


async def capacity_of(port: int, requests: Sequence[bytes]) -> float:
    """Pictures a second that eight callers who wait for their answers get."""
    offering = Offering(port, [request.replace(b"X-Request-Timeout-Ms: 10000", b"X-A: b") for request in requests])
    for _ in range(3):
        await offering.ask()
    start_s = time.monotonic()
    await asyncio.gather(*[caller(offering, 5) for _ in range(8)])
    took_s = time.monotonic() - start_s
    await offering.close()
    return 8 * 5 / took_s


async def caller(offering: Offering, count: int) -> None:
    for _ in range(count):
        assert (await offering.ask()).status == 200
