"""A meter and a service that answer at once, with a history of what they were asked."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.bench.figures import Point
from service.bench.request import Request


@dataclass
class FakeMeter:
    """Every answer takes `wait_ms` of its dataset (by default 100); memory grows by 1 MB with each load.

    seconds: that each load takes. most: answers after which it is cut. begun: called at each load.
    """

    waits_ms: dict[str, float] = field(default_factory=dict)
    rss: float = 100.0
    most: int = 10**6
    seconds: float = 1.0
    begun: Callable[[], object] = lambda: None
    loads: list[tuple[int, list[str]]] = field(default_factory=list)
    request: Request = field(default_factory=lambda: Request("http://here/classify", ["a.jpg"], [{"dataset": "own"}]))

    def closed(
        self, concurrency: int, seconds: float, least: int | None = None, request: Request | None = None
    ) -> Point:
        names = [str(row["dataset"]) for row in (request or self.request).fields]
        self.loads.append((concurrency, names))
        self.begun()
        self.rss += 1.0
        wait_ms = self.waits_ms.get(names[-1], 100.0)
        statuses = {"200": min(self.most, concurrency + (least or 0))}
        return Point(
            self.seconds,
            (wait_ms,) * 4,
            statuses,
            0,
            1.0,
            0.0,
            concurrency=concurrency,
            server_peak_rss_mb=self.rss + 7,
        )

    def warm_up(self, concurrency: int, request: Request | None = None) -> None:
        self.closed(concurrency, 0.0, request=request)

    def rss_mb(self) -> float | None:
        return self.rss


@dataclass
class FakeRemote:
    """Registers when it `may`; a list registered without waiting is built when it was asked about `pending` times."""

    pending: int = 0
    may: threading.Event = field(default_factory=threading.Event)
    registered: dict[str, int] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)

    def register(self, kind: str, classes: Sequence[str], wait: bool = True) -> str:
        assert wait or self.may.wait(10)
        self.registered[f"mine-{kind}"] = len(classes)
        return f"mine-{kind}"

    def is_built(self, name: str) -> bool:
        self.pending -= 1
        return self.pending < 0

    def forget(self, name: str) -> None:
        self.forgotten.append(name)


def said(_text: str) -> Any:
    """Nobody listens."""
