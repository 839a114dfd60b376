"""What callers see of registered datasets."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.datasets.build_store import BuildRow
from service.datasets.spec import DatasetSpec
from service.datasets.store import DatasetRow

Floats = NDArray[np.float32]
Status = Literal["ready", "building", "failed"]


@dataclass(frozen=True)
class Dataset:
    """One version of a class list, ready to answer: `prototypes [L, D]` in the order of `spec.classes`."""

    version: str
    spec: DatasetSpec
    labels: tuple[str, ...]
    prototypes: Floats


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a registered dataset. `version` answers now (None before the first build is done), `building`
    will answer when `progress` (0 to 1) is complete."""

    name: str
    status: Status
    version: str | None
    building: str | None
    progress: float
    failure: str | None
    spec: DatasetSpec
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class RegistryLimits:
    max_classes: int = 100_000
    background_build_classes: int = 4000
    cache_bytes: int = 2**30


def describe(row: DatasetRow, build: BuildRow | None, spec: DatasetSpec) -> DatasetInfo:
    building = row.pending_version is not None
    status: Status = "failed" if building and build and build.failure else "building" if building else "ready"
    progress = (build.classes_done / build.class_count if build else 0.0) if building else 1.0
    failure = build.failure if building and build else None
    versions = (row.current_version, row.pending_version)
    return DatasetInfo(row.name, status, *versions, progress, failure, spec, row.created_at, row.updated_at)
