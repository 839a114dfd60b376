"""The service under load, the model-only limit read before and after each load."""

from dataclasses import asdict, replace
from typing import Any

from service.bench.bare import Bare, Said
from service.bench.choices import Choices
from service.bench.figures import Point, joined, mean
from service.bench.meter import Meter


def measure_limit(bare: Bare, choices: Choices, said: Said) -> dict[str, Any]:
    rows = bare.table(choices.batches, min(choices.seconds, 4.0), said)
    return {
        **bare.about,
        "rows": [asdict(row) for row in rows],
        "alone_ms": bare.alone_ms(),
        "batch": bare.batch,
        "best_per_s": max(map(bare.of, rows)),
        "single": asdict(bare.single(choices.seconds)),
    }


def measure_http(meter: Meter, bare: Bare | None, choices: Choices, said: Said) -> dict[str, Any]:
    """Closed loops at each concurrency, then open ones at parts of the best throughput."""
    meter.warm_up(min(8, max(choices.concurrency)))
    closed, singles = [], []
    limit = bare.read(choices.seconds) if bare else None
    for concurrency in choices.concurrency:
        alone = bare if concurrency == 1 else None  # what a lone caller is compared with, right before and after
        points = []
        for turn in range(choices.turns):
            said(f"concurrency {concurrency}, turn {turn + 1} of {choices.turns}")
            singles += [asdict(alone.single(choices.seconds))] if alone else []
            point = meter.closed(concurrency, choices.seconds / choices.turns)
            singles += [asdict(alone.single(choices.seconds))] if alone else []
            limit, point = _paired(bare, choices, limit, point)
            points.append(point)
        closed.append(joined(points))
    best = max(point.per_s for point in closed)
    opened = []
    for share in choices.rates if best else ():
        said(f"{share:.0%} of {best:.1f} requests/s")
        limit, point = _paired(bare, choices, limit, meter.open(share * best, choices.seconds))
        opened.append(point)
    return {
        "closed": [point.document() for point in closed],
        "open": [point.document() for point in opened],
        "singles": singles,
    }


def _paired(bare: Bare | None, choices: Choices, before: float | None, point: Point) -> tuple[float | None, Point]:
    """The limit after a load, and the load with the mean of both limits."""
    after = bare.read(choices.seconds) if bare else None
    return after, replace(point, limit_per_s=mean([before, after]))
