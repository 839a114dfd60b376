"""What callers see of registered datasets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from service.datasets.spec import DatasetSpec
from service.recognition.priors import PriorTables

Floats = NDArray[np.float32]
Status = Literal["ready", "building", "failed"]
Origin = Literal["registered", "calibrated"]


class Compare(Protocol):
    """How views are compared with a dataset's classes. `extra_bytes`: memory beside the prototypes' own."""

    @property
    def extra_bytes(self) -> int: ...

    def __call__(self, views: Floats, best: int) -> Floats:
        """Unit `views [V, D]` to their cosines with all classes `[V, L]`; the `best` of each view are exact."""
        ...


@dataclass(frozen=True)
class Dataset:
    """One version of a class list, ready to answer: `prototypes [L, D]` in the order of `spec.classes`.

    compare: how views are compared with them; None for a product on the CPU.
    """

    version: str
    spec: DatasetSpec
    labels: tuple[str, ...]
    prototypes: Floats
    compare: Compare | None = None

    def cosines(self, views: Floats, best: int) -> Floats:
        """`[V, L]` of unit `views [V, D]`; the `best` of each view, and they in every view, are exact."""
        return views @ self.prototypes.T if self.compare is None else self.compare(views, best)

    @property
    def held_bytes(self) -> int:
        """What its prototypes take in memory."""
        return self.prototypes.nbytes + (self.compare.extra_bytes if self.compare is not None else 0)

    @cached_property
    def prior_tables(self) -> PriorTables:
        return PriorTables(self.spec.priors, self.labels, self.spec.class_prior)


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a registered dataset, read in one piece. `version` answers now (None before the first build is
    done), `building` will answer when `classes_done` has reached `class_count`; the counts are of the newer one."""

    name: str
    version: str | None
    building: str | None
    class_count: int
    classes_done: int
    failure: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def newest(self) -> str:
        return self.building or self.version or ""

    def holds(self, version: str, *, newest_only: bool) -> bool:
        """Whether registering `version` again changes nothing: a PUT repeats the newest, a POST any that is there."""
        return version == self.newest or (not newest_only and version == self.version)

    @property
    def status(self) -> Status:
        if self.building is None:
            return "ready"
        return "failed" if self.failure else "building"

    @property
    def progress(self) -> float:
        return 1.0 if self.building is None else self.classes_done / self.class_count


@dataclass(frozen=True)
class VersionInfo:
    """A version of a dataset that can be asked for. `current`: it answers where none is asked for. `created_at`: when
    it was calibrated, or became the dataset's content. `note`: what its maker wrote down, JSON."""

    version: str
    created_at: datetime
    current: bool
    origin: Origin
    note: Mapping[str, Any]


@dataclass(frozen=True)
class RegistryLimits:
    max_classes: int = 100_000
    background_build_texts: int = 4000
    cache_bytes: int = 2**30
