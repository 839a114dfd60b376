"""Two questions that take long: does memory grow, and does registering a long list hinder requests."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from service.bench.bare import Said
from service.bench.figures import Point, joined
from service.bench.meter import Meter
from service.bench.remote import Remote, class_names

FEW = 500
CONCURRENCY = 8
CALLERS = (1, 8)
LEAST = 8
LEAD_S = 1.0  # by then the load runs


def measure_memory(meter: Meter, requests: int, said: Said) -> dict[str, Any]:
    """The server's memory in MB after the first requests (500, or a tenth if that is less) and after all; `made`: how
    many there really were."""
    few = min(FEW, requests // 10)
    resting_mb = meter.rss_mb()
    points, readings = [], {}
    for name, count in (("after_few", few), ("after_all", requests - few)):
        said(f"memory: {count} requests")
        # The window opens when every caller was answered once.
        points.append(meter.closed(CONCURRENCY, 0.0, least=max(1, count - CONCURRENCY)))
        readings[f"{name}_mb"] = meter.rss_mb()
    made = joined(points)
    counts = {"made": made.all_requests, "errors": made.errors, "unexpected": made.unexpected}
    return {"few": few, "requests": requests, **counts, "resting_mb": resting_mb, **readings}


def measure_registering(
    meter: Meter, remote: Remote, classes: int, seconds: float, said: Said, lead_s: float = LEAD_S
) -> dict[str, Any]:
    """The waits of one and of eight callers before, and while a list of so many classes is sent and then built in the
    background; each time another list, sent `lead_s` after the load began."""
    rows = []
    for callers in CALLERS:
        said(f"concurrency {callers} before registering")
        before = meter.closed(callers, seconds)
        names = class_names(classes, seed=classes + callers)
        during = _while_registering(meter, remote, names, callers, seconds, said, lead_s)
        rows.append({"concurrency": callers, "before": before.document(), "during": during.document()})
    return {"classes": classes, "rows": rows}


def _while_registering(
    meter: Meter, remote: Remote, names: list[str], callers: int, seconds: float, said: Said, lead_s: float
) -> Point:
    points: list[Point] = []

    def send() -> str:
        threading.Event().wait(lead_s)
        return remote.register(f"long-{callers}", names, wait=False)

    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(send)
        under_way = True
        while under_way:
            said(f"concurrency {callers} while {len(names)} classes are registered, round {len(points) + 1}")
            point = meter.closed(callers, seconds / 2, least=LEAST * callers)
            under_way = not sent.done() or not remote.is_built(sent.result())
            if under_way or not points:  # else a part of the last one saw nothing of it any more
                points.append(point)
        remote.forget(sent.result())
    return joined(points)
