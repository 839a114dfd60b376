"""What metrics and the access log cost a request."""

import io
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

import httpx
import pytest
from light_models import COLOURS, picture_of  # type: ignore[import-not-found]
from security.light_service import light_client  # type: ignore[import-not-found]

from service.telemetry import JsonLines

pytestmark = pytest.mark.anyio
PAIRS, WARM = 1000, 50
# A picture takes the embedded models half a second of processor time, of which 2 % are ten times as much
MOST_ADDED_US = 1000.0


@contextmanager
def access_lines() -> Iterator[logging.Logger]:
    """The logger of access lines, which are written as the service writes them, into memory."""
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("service.access")
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    yield logger
    logger.level, logger.propagate = before
    logger.removeHandler(handler)


async def cpu_us(client: httpx.AsyncClient, number: int) -> float:
    """Processor time of one request, by all threads of this process: the caller's share is the same for all."""
    files = {"image": ("a", picture_of(COLOURS["green"], number))}
    begin_ns = time.process_time_ns()
    answer = await client.post("/classify", files=files, data={"dataset": "colours"})
    took_ns = time.process_time_ns() - begin_ns
    assert answer.status_code == 200, answer.text
    return took_ns / 1000


@pytest.mark.slow
async def test_metrics_and_logs_add_little_to_a_request(tmp_path: Path) -> None:
    """One request with, one without, a thousand times, in one process: what disturbs one disturbs the other."""
    added, without = [], []
    async with light_client(tmp_path / "on") as on, light_client(tmp_path / "off", metrics="off") as off:
        with access_lines() as logger:
            for number in range(PAIRS):
                found = {}
                for client in (on, off) if number % 2 else (off, on):
                    logger.setLevel(logging.INFO if client is on else logging.WARNING)
                    found[client] = await cpu_us(client, number)
                if number >= WARM:
                    added.append(found[on] - found[off])
                    without.append(found[off])
    low, middle, high = quantiles(added, n=4)
    print(f"added {middle:.0f} us (quarters {low:.0f}, {high:.0f}) to {median(without):.0f} us")  # noqa: T201
    assert middle < MOST_ADDED_US
