"""Two questions that take long: does memory grow, and does registering a long list hinder requests."""

from typing import Any

from service.bench.bare import Said
from service.bench.figures import Point, joined
from service.bench.meter import Meter
from service.bench.remote import Remote, class_names

FEW = 500
CONCURRENCY = 8
CALLERS = (1, 8)
LEAST = 8
LONG = "bench-long"


def measure_memory(meter: Meter, requests: int, said: Said) -> dict[str, Any]:
    """The server's memory in MB after the first requests (500, or a tenth if that is less) and after all."""
    few = min(FEW, requests // 10)
    resting_mb = meter.rss_mb()
    readings = {}
    for name, count in (("after_few", few), ("after_all", requests - few)):
        said(f"memory: {count} requests")
        # The window opens when every caller was answered once, and callers finish what they began.
        meter.closed(CONCURRENCY, 0.0, least=max(1, count - 2 * CONCURRENCY + 1))
        readings[f"{name}_mb"] = meter.rss_mb()
    return {"few": few, "requests": requests, "resting_mb": resting_mb, **readings}


def measure_registering(meter: Meter, remote: Remote, classes: int, seconds: float, said: Said) -> dict[str, Any]:
    """The waits of one and of eight callers before, and while a list of so many classes is built in the background."""
    said("before registering")
    before = {callers: meter.closed(callers, seconds) for callers in CALLERS}
    during: dict[int, list[Point]] = {callers: [] for callers in CALLERS}
    remote.register(LONG, class_names(classes, seed=classes), wait=False)
    rounds = 0
    while not remote.is_built(LONG):
        rounds += 1
        said(f"while {classes} classes are registered, round {rounds}")
        for callers in CALLERS:
            point = meter.closed(callers, seconds / 2, least=LEAST * callers)
            if not remote.is_built(LONG):  # else a part of it was not under way any more
                during[callers].append(point)
    remote.forget(LONG)
    rows = []
    for callers in CALLERS:
        row: dict[str, Any] = {"concurrency": callers, "before": before[callers].document(), "during": None}
        if during[callers]:
            row["during"] = joined(during[callers]).document()
        rows.append(row)
    return {"classes": classes, "rows": rows}
