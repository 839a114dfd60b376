"""One request and what became of it."""

from dataclasses import dataclass

Problem = tuple[str, str]  # code and reason of the problem that was answered


@dataclass(frozen=True)
class Exchange:
    """route: the address's pattern. status: 0 where nothing was answered, as the caller had left. trace_id: of a trace
    that is recorded."""

    method: str
    route: str
    status: int
    took_s: float
    problem: Problem | None = None
    trace_id: str | None = None
