"""Numbers out of times: percentiles, arrivals, rates."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


def percentile(values: Sequence[float], percent: float) -> float:
    """The least of `values` that `percent` of them do not exceed (nearest rank); nan for none, see `known`."""
    if not 0 < percent <= 100:
        raise ValueError(f"percent lies in (0, 100], not {percent}")
    if not values:
        return math.nan
    return sorted(values)[math.ceil(percent / 100 * len(values)) - 1]


def known(value: float) -> float | None:
    """None for nan, which JSON has not."""
    return None if math.isnan(value) else value


def spread(values: Sequence[float]) -> float:
    """p90 over p50; 1 for what is always the same, nan for none."""
    return percentile(values, 90) / percentile(values, 50) if values else math.nan


def poisson_arrivals(rate_per_s: float, seconds: float, seed: int = 0) -> list[float]:
    """Seconds from the start at which independent callers come, `rate_per_s` of them a second on average.

    The gaps are exponential and scaled so that exactly `round(rate_per_s * seconds)` (at least one) come in that time.
    """
    if rate_per_s <= 0 or seconds <= 0:
        raise ValueError(f"rate and seconds are above 0, not {rate_per_s} and {seconds}")
    chance = random.Random(seed)  # noqa: S311  (no secret)
    gaps = [chance.expovariate(1.0) for _ in range(max(1, round(rate_per_s * seconds)) + 1)]
    total, now, arrivals = sum(gaps), 0.0, []
    for gap in gaps[:-1]:
        now += gap / total * seconds
        arrivals.append(now)
    return arrivals


@dataclass(frozen=True)
class Point:
    """One load and what came of it. Times in ms, memory in MB (10^6), CPU in seconds of one processor.

    requests: answered as hoped for in the measured window of `seconds`; statuses: of all requests, also those before
    and after it, as are the CPU times, which took `all_seconds`. unexpected: 200s that say something else than hoped
    for. unanswered: waits, so far as they lasted, without an answer.
    """

    seconds: float
    latencies_ms: tuple[float, ...]
    statuses: Mapping[str, int]
    unexpected: int
    all_seconds: float
    client_cpu_s: float
    first_error: str = ""
    unanswered: int = 0
    concurrency: int | None = None
    rate_per_s: float | None = None
    batch_sizes: Mapping[str, float] = field(default_factory=dict)
    server_cpu_s: float | None = None
    server_rss_mb: float | None = None
    server_peak_rss_mb: float | None = None
    foreign_cpu: float | None = None
    limit_per_s: float | None = None

    @property
    def requests(self) -> int:
        return len(self.latencies_ms) - self.unanswered

    @property
    def per_s(self) -> float:
        return self.requests / self.seconds if self.seconds > 0 else 0.0

    @property
    def all_requests(self) -> int:
        return sum(self.statuses.values())

    @property
    def errors(self) -> int:
        return self.all_requests - self.statuses.get("200", 0)

    def percentile_ms(self, percent: float) -> float:
        return percentile(self.latencies_ms, percent)

    def document(self) -> dict[str, object]:
        """For JSON: everything raw, and the figures read off it."""
        own = dict(vars(self))
        own["latencies_ms"] = [round(value, 2) for value in self.latencies_ms]
        own["statuses"], own["batch_sizes"] = dict(self.statuses), dict(self.batch_sizes)
        read = {f"p{percent}_ms": known(self.percentile_ms(percent)) for percent in (50, 95, 99)}
        return {"requests": self.requests, "per_s": self.per_s, "errors": self.errors, **read, **own}


def joined(points: Sequence[Point]) -> Point:
    """Several short measurements of the same load as one; memory's are the highest, the limit's is the mean."""
    first = points[0]
    statuses: dict[str, int] = {}
    for point in points:
        for status, count in point.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    return Point(
        seconds=sum(point.seconds for point in points),
        latencies_ms=tuple(value for point in points for value in point.latencies_ms),
        statuses=statuses,
        unexpected=sum(point.unexpected for point in points),
        unanswered=sum(point.unanswered for point in points),
        all_seconds=sum(point.all_seconds for point in points),
        client_cpu_s=sum(point.client_cpu_s for point in points),
        first_error=next((point.first_error for point in points if point.first_error), ""),
        concurrency=first.concurrency,
        rate_per_s=first.rate_per_s,
        batch_sizes=_means([point.batch_sizes for point in points]),
        server_cpu_s=_sum([point.server_cpu_s for point in points]),
        server_rss_mb=_most([point.server_rss_mb for point in points]),
        server_peak_rss_mb=_most([point.server_peak_rss_mb for point in points]),
        foreign_cpu=_most([point.foreign_cpu for point in points]),
        limit_per_s=mean([point.limit_per_s for point in points]),
    )


def mean(values: Sequence[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return sum(told) / len(told) if told else None


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: mean([row.get(name) for row in rows]) or 0.0 for name in names}


def _sum(values: Sequence[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return sum(told) if told else None


def _most(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
