"""Whether the machine was quiet enough for its figures to be believed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from service.bench.figures import known, mean, percentile, spread
from service.bench.usage import stolen_s

LOOPS = 20
SIDE = 96
PRODUCTS = 40  # a few ms
MOST_SPREAD = 1.25  # p90 over p50 of the fixed loop
MOST_DRIFT = 0.10  # between the model-only limits before and after
MOST_FOREIGN = 0.10  # processors that others kept busy
MOST_STOLEN = 0.02  # of the run's time


@dataclass
class Noise:
    """Readings through a run: times of a fixed piece of work while nothing else of ours runs, and others' CPU time."""

    loops_ms: list[float] = field(default_factory=list)
    foreign_cpu: list[float] = field(default_factory=list)
    limits_per_s: list[float] = field(default_factory=list)
    begin_s: float = field(default_factory=time.perf_counter)
    stolen_before_s: float | None = field(default_factory=stolen_s)

    def read(self) -> None:
        """Time the fixed loop; to be called between loads."""
        self.loops_ms.extend(fixed_loop_ms() for _ in range(LOOPS))

    @property
    def stolen(self) -> float | None:
        """Processors that a hypervisor gave to others on average."""
        now_s = stolen_s()
        if now_s is None or self.stolen_before_s is None:
            return None
        return (now_s - self.stolen_before_s) / max(1e-9, time.perf_counter() - self.begin_s)

    def document(self) -> dict[str, object]:
        return {
            "loop_p50_ms": known(percentile(self.loops_ms, 50)),
            "loop_spread": known(spread(self.loops_ms)),
            "foreign_cpu": mean(self.foreign_cpu),
            "limit_drift": drift(self.limits_per_s),
            "stolen": self.stolen,
            "loops_ms": [round(value, 3) for value in self.loops_ms],
            "limits_per_s": self.limits_per_s,
            "warnings": self.warnings(),
        }

    def warnings(self) -> list[str]:
        """What makes the figures doubtful; empty on a quiet machine."""
        stolen = self.stolen
        found = [
            (spread(self.loops_ms), MOST_SPREAD, "a fixed loop's p90 is {:.2f} of its median; quiet is below {:.2f}"),
            (mean(self.foreign_cpu), MOST_FOREIGN, "other programs used {:.2f} processors; quiet is below {:.2f}"),
            (drift(self.limits_per_s), MOST_DRIFT, "the model-only limit moved by {:.0%} in the run; quiet is {:.0%}"),
            (stolen, MOST_STOLEN, "a hypervisor took {:.2f} processors away; quiet is below {:.2f}"),
        ]
        return [text.format(value, most) for value, most, text in found if value is not None and value > most]


def fixed_loop_ms() -> float:
    """Time of a small piece of arithmetic that is always the same."""
    matrix = np.full((SIDE, SIDE), 1 / SIDE, np.float32)
    result = matrix
    begin_s = time.perf_counter()
    for _ in range(PRODUCTS):
        result = np.maximum(np.einsum("ij,jk->ik", result, matrix), 1e-3)  # einsum calls no threaded library
    return 1000 * (time.perf_counter() - begin_s)


def drift(values: Sequence[float]) -> float | None:
    """The range of `values` over their middle; None for fewer than two."""
    if len(values) < 2:
        return None
    return (max(values) - min(values)) / percentile(values, 50)
