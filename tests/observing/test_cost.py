"""What metrics and the access log cost a request, where the models cost nothing."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import httpx
import psutil
import pytest
from light_models import COLOURS, picture_of  # type: ignore[import-not-found]
from running import LightService, RunningService, running  # type: ignore[import-not-found]

TURNS, REQUESTS = 8, 400
ON, OFF = {"metrics": "on", "log_level": "info"}, {"metrics": "off", "log_level": "warning"}
MOST_ADDED_US = 1000.0  # a picture takes the embedded models half a second of processor time: 2 % of that is 10 ms


class Asked:
    """A service of which so many requests are asked at a time."""

    def __init__(self, service: RunningService, client: httpx.Client) -> None:
        self._client, self._process, self._sent = client, psutil.Process(service.process.pid), 0
        client.post("/datasets", json={"name": "colours", "classes": list(COLOURS)}).raise_for_status()

    def cpu_us(self) -> float:
        """Processor time of each of REQUESTS requests."""
        before = self._process.cpu_times()
        for _ in range(REQUESTS):
            self._sent += 1
            files = {"image": ("a", picture_of(COLOURS["green"], self._sent))}
            self._client.post("/classify", files=files, data={"dataset": "colours"}).raise_for_status()
        after = self._process.cpu_times()
        return 1e6 * (after.user + after.system - before.user - before.system) / REQUESTS


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Asked, Asked]]:
    with ExitStack() as stack:
        asked = []
        for name, settings in (("on", ON), ("off", OFF)):
            folder = {"data_dir": str(tmp_path / name), "canary_interval_s": "3600"}
            service = stack.enter_context(running(tmp_path / f"{name}.log", LightService, **folder, **settings))
            client = stack.enter_context(httpx.Client(base_url=service.url, timeout=60))
            asked.append(Asked(service, client))
        yield asked[0], asked[1]


@pytest.mark.slow
def test_metrics_and_logs_add_little_to_a_request(pair: tuple[Asked, Asked]) -> None:
    """In turns within one run. Two percent of a real picture's time, with room for a noisy machine."""
    with_both, without = pair
    for asked in pair:
        asked.cpu_us()  # warm
    turns = [(with_both.cpu_us(), without.cpu_us()) for _ in range(TURNS)]
    added_us = median(on - off for on, off in turns)
    print(f"added {added_us:.0f} us to {median(off for _, off in turns):.0f} us: {[round(a - b) for a, b in turns]}")  # noqa: T201
    assert added_us < MOST_ADDED_US, turns
