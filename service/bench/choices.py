"""What a run measures."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from service.errors import FieldProblem, InvalidFields

USUAL_PARTS = ("limit", "http", "classes", "sizes", "datasets")
PARTS = (*USUAL_PARTS, "peers", "infinity", "memory", "registering", "observing", "decoding")
NEED_OWN_SERVER = ("limit", "peers", "infinity", "observing", "decoding")  # the models in reach, or settings


@dataclass(frozen=True)
class Choices:
    """seconds: of one load. turns: into how many parts each closed one over HTTP is divided, with the limit read in
    between. rates: open loops, as parts of the best throughput of the closed ones. branches: None for
    the service's usual ones. Raises InvalidFields for what cannot be."""

    parts: frozenset[str] = frozenset(USUAL_PARTS)
    seconds: float = 8.0
    concurrency: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    turns: int = 1
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
    litserve_python: str | None = None
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
        if self.turns < 1:
            problems.append(FieldProblem("turns", "must be at least 1"))
        if self.memory_requests < 20:
            problems.append(FieldProblem("memory_requests", "must be at least 20"))
        if "infinity" in self.parts and self.infinity is None:
            problems.append(FieldProblem("infinity", "must say how infinity is started"))
        out_of_reach = [part for part in NEED_OWN_SERVER if part in self.parts]
        if self.url is not None and out_of_reach:
            detail = f"{', '.join(out_of_reach)} needs a service of its own: leave --url out, or the part"
            problems.append(FieldProblem("url", detail))
        if problems:
            raise InvalidFields(*problems)


QUICK: Mapping[str, Any] = MappingProxyType(
    {
        "concurrency": (1, 8),
        "rates": (0.5,),
        "batches": (1, 8),
        "classes": (10, 1_000),
        "megapixels": (0.3, 12.0),
        "datasets": (1, 100),
        "seconds": 3.0,
    }
)


def make_choices(given: Mapping[str, Any]) -> Choices:
    """`given`: fields of Choices by name, None for what is left to the defaults; `only` for parts, `peers`, `quick`.

    An option that belongs to one part alone adds it. Raises InvalidFields.
    """
    known = {field.name for field in fields(Choices)}
    named = {name: value for name, value in given.items() if value is not None and name in known}
    quick, peers = given.get("quick"), given.get("peers")
    parts = set(given.get("only") or USUAL_PARTS)
    if named.get("url") and given.get("only") is None:
        parts.discard("limit")
    parts |= {"peers"} if peers or "litserve_python" in named else set()
    parts |= {"infinity"} if "infinity" in named else set()
    parts |= {"memory"} if "memory_requests" in named else set()
    parts |= {"registering"} if "registering_classes" in named else set()
    return Choices(**{**(QUICK if quick else {}), **named, "parts": frozenset(parts)})
