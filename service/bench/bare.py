"""The limit process as the rest of the run sees it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.bench.limit import Limit
from service.bench.noise import Noise
from service.bench.worker import Worker

Said = Callable[[str], None]  # what is under way
MOST_S = 3.0  # of a reading between two loads
NEARLY = 0.97  # of the best limit is as good, and reached by smaller batches


@dataclass
class Bare:
    """Readings of the model-only limit. `batch`: the smallest that gives nearly the highest limit, and whether models
    have a lane on each processor, once `table` has found it."""

    worker: Worker
    noise: Noise
    pictures: Sequence[str]
    branches: Sequence[str] | None
    about: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 8
    has_lanes: bool = False

    def __post_init__(self) -> None:
        self.about = self._ask("about")

    @property
    def on_gpu(self) -> bool:
        return str(self.about["hardware"]).startswith("cuda")

    def of(self, limit: Limit) -> float:
        """What both models allow here: the slower one on a GPU; on processors one after the other, with a picture on
        each processor where they can."""
        if self.on_gpu:
            return limit.slower_per_s
        return limit.serial_per_s if limit.lanes_per_s is None else limit.lanes_per_s

    def table(self, batches: Sequence[int], seconds: float, said: Said) -> list[Limit]:
        """The limit at each batch size; the best one is used from then on."""
        rows = []
        for batch in batches:
            said(f"model-only limit, batch {batch}")
            rows.append(self._limit(batch, seconds, every_way=True))
        self.has_lanes = not self.on_gpu and rows[0].lanes_per_s is not None
        if self.has_lanes:
            self.batch = 1
            return rows
        best = max(map(self.of, rows))
        self.batch = next(row.batch for row in rows if self.of(row) >= NEARLY * best)
        return rows

    def read(self, seconds: float) -> float:
        """Pictures a second that the models allow now."""
        if self.has_lanes:
            limit: float = self._ask("lanes", seconds=min(seconds, MOST_S))
        else:
            limit = self.of(self._limit(self.batch, min(seconds, MOST_S)))
        self.noise.limits_per_s.append(limit)
        return limit

    def single(self, seconds: float) -> Limit:
        """At batch 1."""
        return self._limit(1, min(seconds, MOST_S))

    def alone_ms(self) -> dict[str, float]:
        """Decoding and preparing one picture, each by itself."""
        steps: dict[str, float] = self._ask("alone")
        return steps

    def plain_ms(self) -> dict[str, float]:
        """One picture and two views by models as they come, and by ours, in turns."""
        times: dict[str, float] = self._ask("plain")
        return times

    def save_prototypes(self, classes: Sequence[str], file: str) -> float:
        """Class embeddings for a peer as a numpy file; the scale of their logits."""
        scale: float = self._ask("prototypes", classes=list(classes), save_as=file)["logit_scale"]
        return scale

    def _limit(self, batch: int, seconds: float, every_way: bool = False) -> Limit:
        return Limit(**self._ask("limit", batch=batch, seconds=seconds, all=every_way))

    def _ask(self, kind: str, **job: Any) -> Any:
        branches = list(self.branches) if self.branches else None
        return self.worker.ask({"kind": kind, "pictures": list(self.pictures), "branches": branches, **job})
