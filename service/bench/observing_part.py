"""What metrics and logs cost: two services, with both and with neither, asked in turns within one run.

Processor seconds for each request tell more than throughput where a machine is noisy. Pictures seen before cost the
models nothing, so that what is left over shows what is added to each request, whatever the models take.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter
from typing import Any

import httpx

from service.bench.bare import Said
from service.bench.figures import Point, joined
from service.bench.meter import Meter

CALLERS = 4
SCRAPES = 20
ON: Mapping[str, Any] = {"metrics": "on", "log_level": "info"}
OFF: Mapping[str, Any] = {"metrics": "off", "log_level": "warning"}
QUIET: Mapping[str, Any] = {"canary_interval_s": 3600}  # whichever service is idle computes nothing
# How often each is asked of each service, and whether its bytes are always others: pictures seen before take thousands
# of requests in a moment
PICTURES = {"new": (4, True), "seen before": (8, False)}


@dataclass(frozen=True)
class Pair:
    """Meters of the service with metrics and logs, and of the one without."""

    on: Meter
    off: Meter


def measure_observing(start: Callable[[Mapping[str, Any]], Meter], seconds: float, said: Said) -> dict[str, Any]:
    """`start` starts a service with some settings. `added_us`: of processor time for a request."""
    said("starting a service with metrics and logs, and one without")
    pair = Pair(start({**ON, **QUIET}), start({**OFF, **QUIET}))
    rows = {}
    for pictures, (turns, distinct) in PICTURES.items():
        asked = Pair(*(replace(meter, request=replace(meter.request, distinct=distinct)) for meter in _both(pair)))
        for meter in _both(asked):
            meter.warm_up(CALLERS)
        rows[pictures] = taking_turns(asked, seconds / turns, turns, said, pictures)
    added_us = rows["seen before"]["added_us"]
    new_us = rows["new"]["off_cpu_us"]
    return {
        "rows": rows,
        "added_share": added_us / new_us if added_us is not None and new_us else None,
        "scrape_ms": _scrape_ms(pair.on),
    }


def _both(pair: Pair) -> tuple[Meter, Meter]:
    return pair.on, pair.off


def taking_turns(pair: Pair, seconds: float, count: int, said: Said, pictures: str) -> dict[str, Any]:
    """`seconds` of each service in each turn; who was first comes second in the next."""
    turns: list[tuple[Point, Point]] = []
    for turn in range(count):
        said(f"pictures {pictures}, turn {turn + 1} of {count}")
        meters = _both(pair) if turn % 2 == 0 else _both(pair)[::-1]
        points = [meter.closed(CALLERS, seconds) for meter in meters]
        turns.append((points[0], points[1]) if turn % 2 == 0 else (points[1], points[0]))
    ratios = [_ratio(cpu_us(on), cpu_us(off)) for on, off in turns]
    added = [cpu_us(on) - cpu_us(off) for on, off in turns]
    return {
        "on": joined([on for on, _ in turns]).document(),
        "off": joined([off for _, off in turns]).document(),
        "off_cpu_us": median(cpu_us(off) for _, off in turns),
        "cpu_ratio": median(ratios),
        "cpu_ratios": ratios,
        "throughput_ratio": median(_ratio(on.per_s, off.per_s) for on, off in turns),
        "added_us": median(added),
        "all_added_us": added,
    }


def cpu_us(point: Point) -> float:
    """The server's processor time for each of its answers, in microseconds."""
    answered = sum(point.statuses.values())
    return 1e6 * (point.server_cpu_s or 0.0) / answered if answered else 0.0


def _ratio(above: float, below: float) -> float:
    return above / below if below else 0.0


def _scrape_ms(meter: Meter) -> float | None:
    """How long it takes to read all metrics."""
    if meter.remote is None:
        return None
    times = []
    with httpx.Client(base_url=meter.remote.url, timeout=30) as client:
        for _ in range(SCRAPES):
            begin_s = perf_counter()
            client.get("/metrics").raise_for_status()
            times.append(1000 * (perf_counter() - begin_s))
    return median(times)
