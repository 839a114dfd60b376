"""One load at a time on one server, with everything that is read before, during and after it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from service.bench.figures import Point, poisson_arrivals
from service.bench.noise import Noise
from service.bench.remote import Remote, batch_sizes
from service.bench.request import Request
from service.bench.usage import Watch, rss_mb
from service.bench.worker import BenchFailed, Worker


@dataclass
class Meter:
    """`pids`: processes of the measured server (none: it runs elsewhere); `remote`: None for a peer, which counts no
    batches."""

    load: Worker
    noise: Noise
    request: Request
    pids: Sequence[int] = ()
    remote: Remote | None = None

    def closed(
        self, concurrency: int, seconds: float, least: int | None = None, request: Request | None = None
    ) -> Point:
        """So many callers, each asking again as soon as it was answered."""
        job: dict[str, Any] = {"concurrency": concurrency, "seconds": seconds}
        if least is not None:
            job["least"] = least
        return self._measure(job, request or self.request, concurrency=concurrency)

    def warm_up(self, concurrency: int, request: Request | None = None) -> None:
        """Raises BenchFailed where nothing is answered as it should be."""
        point = self.closed(concurrency, 0.0, least=2 * concurrency, request=request)
        if not point.requests:
            raise BenchFailed(f"{(request or self.request).url} is not answered as it should be: {point.first_error}")

    def rss_mb(self) -> float | None:
        """The server's memory now; None where it runs elsewhere."""
        return rss_mb(self.pids) if self.pids else None

    def open(self, rate_per_s: float, seconds: float) -> Point:
        """Independent callers, so many a second."""
        arrivals_s = poisson_arrivals(rate_per_s, seconds)
        return self._measure({"arrivals_s": arrivals_s}, self.request, rate_per_s=rate_per_s)

    def _measure(
        self,
        job: Mapping[str, Any],
        request: Request,
        concurrency: int | None = None,
        rate_per_s: float | None = None,
    ) -> Point:
        self.noise.read()
        before = self.remote.counts() if self.remote else {}
        watch = Watch(self.pids, [self.load.pid])
        raw = self.load.ask({**job, "request": asdict(request)})
        usage = watch.read()
        after = self.remote.counts() if self.remote else {}
        if self.pids:
            self.noise.foreign_cpu.append(usage.foreign_cpu)
        return Point(
            **{**raw, "latencies_ms": tuple(raw["latencies_ms"])},
            concurrency=concurrency,
            rate_per_s=rate_per_s,
            batch_sizes=batch_sizes(before, after),
            server_cpu_s=usage.cpu_s if self.pids else None,
            server_rss_mb=usage.rss_mb if self.pids else None,
            server_peak_rss_mb=usage.peak_rss_mb if self.pids else None,
            foreign_cpu=usage.foreign_cpu if self.pids else None,
        )
