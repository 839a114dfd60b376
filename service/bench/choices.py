"""What a run measures."""

from dataclasses import dataclass
from pathlib import Path

from service.errors import FieldProblem, InvalidFields

PARTS = ("limit", "http", "classes", "sizes", "datasets", "peers", "memory", "registering")
USUAL_PARTS = PARTS[:5]


@dataclass(frozen=True)
class Choices:
    """seconds: of one load. rates: open loops, as parts of the best throughput of the closed ones. branches: None for
    the service's usual ones. Raises InvalidFields for what cannot be."""

    parts: frozenset[str] = frozenset(USUAL_PARTS)
    seconds: float = 8.0
    concurrency: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    rates: tuple[float, ...] = (0.25, 0.5, 0.8, 1.0)
    batches: tuple[int, ...] = (1, 2, 4, 8)
    classes: tuple[int, ...] = (10, 100, 1_000, 10_000, 100_000)
    megapixels: tuple[float, ...] = (0.1, 0.3, 1, 3, 12, 24, 50, 100)
    datasets: tuple[int, ...] = (1, 10, 100, 1_000)
    memory_requests: int = 5_000
    registering_classes: int = 100_000
    branches: tuple[str, ...] | None = None
    repeat_pictures: bool = False
    images: Path | None = None
    url: str | None = None
    profile: str | None = None
    random_weights: bool = False
    infinity: str | None = None

    def __post_init__(self) -> None:
        problems = []
        for name in sorted(self.parts - set(PARTS)):
            problems.append(FieldProblem("only", f"{name!r} is not known", PARTS))
        for name in ("concurrency", "rates", "batches", "classes", "megapixels", "datasets"):
            values = getattr(self, name)
            if not values or min(values) <= 0:
                problems.append(FieldProblem(name, "needs numbers above 0"))
        if self.seconds <= 0:
            problems.append(FieldProblem("seconds", "must be above 0"))
        if self.memory_requests < 20:
            problems.append(FieldProblem("memory_requests", "must be at least 20"))
        if problems:
            raise InvalidFields(*problems)


QUICK = {
    "concurrency": (1, 8),
    "rates": (0.5,),
    "batches": (1, 8),
    "classes": (10, 1_000),
    "megapixels": (0.3, 12),
    "datasets": (1, 100),
    "seconds": 3.0,
}
