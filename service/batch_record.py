"""What a model's calls came to."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class WorkerHealth:
    """Whether the worker threads live, how many items wait, for how many seconds the oldest of the present batches has
    run, and how many batches of how many items were begun so far, also by size: differences of two readings give the
    mean batch.
    succeeded_ago_s: since a batch went well, or since the start; since then so many `failures`, one for want of memory.
    """

    alive: bool
    waiting: int
    running_for_s: float
    batches: int = 0
    items: int = 0
    succeeded_ago_s: float = 0.0
    failures: int = 0
    out_of_memory: bool = False
    batch_sizes: Mapping[int, int] = field(default_factory=dict)


class Record:
    """Of one model's calls; whoever uses it holds a lock."""

    def __init__(self) -> None:
        self._sizes: Counter[int] = Counter()
        self._succeeded_s = time.monotonic()
        self._failures, self._out_of_memory = 0, False

    def begun(self, items: int) -> None:
        self._sizes[items] += 1

    def succeeded(self) -> None:
        self._succeeded_s, self._failures, self._out_of_memory = time.monotonic(), 0, False

    def failed(self, error: BaseException) -> None:
        self._failures += 1
        self._out_of_memory |= _wants_memory(error)

    def health(self, *, alive: bool, waiting: int, running_since_s: Iterable[float]) -> WorkerHealth:
        """running_since_s: of each batch that runs."""
        now_s = time.monotonic()
        return WorkerHealth(
            alive,
            waiting,
            max((now_s - since_s for since_s in running_since_s), default=0.0),
            batches=self._sizes.total(),
            items=sum(size * count for size, count in self._sizes.items()),
            succeeded_ago_s=now_s - self._succeeded_s,
            failures=self._failures,
            out_of_memory=self._out_of_memory,
            batch_sizes=dict(self._sizes),
        )


def _wants_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # the latter is torch's
