"""Waiting until a dataset's prototypes are built, told by the list of datasets: a long list is no small answer."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from service.client.dataset_results import DatasetSummary
from service.client.problems import problem_from

POLL_S = 0.25


def summary_of(name: str, listed: Iterable[DatasetSummary]) -> DatasetSummary:
    """Raises NotFoundError where it was deleted meanwhile."""
    for summary in listed:
        if summary.name == name:
            return summary
    raise problem_from({"code": "dataset_not_found", "detail": f"{name!r} was deleted while it was built"}, 404)


@dataclass(frozen=True)
class Waiting:
    """Ends at the monotonic time `end_s`."""

    progress: Callable[[float], None]
    wait_s: float | None
    end_s: float

    @classmethod
    def asked(cls, wait: bool, progress: Callable[[float], None] | None, wait_s: float | None) -> "Waiting | None":
        limit_s = float("inf") if wait_s is None else wait_s
        return cls(progress or (lambda _: None), wait_s, time.monotonic() + limit_s) if wait else None

    def lasts(self, found: DatasetSummary) -> bool:
        """Raises ConflictError where it cannot be built, TooLateError at the end of the time."""
        self.progress(found.progress)
        if found.status == "failed":
            raise problem_from({"code": "dataset_build_failed", "detail": found.failure or "it cannot be built"}, 409)
        lasts = found.building is not None
        if lasts and time.monotonic() >= self.end_s:
            detail = f"{found.name} is {found.progress:.0%} built after {self.wait_s:g} s"
            raise problem_from({"code": "deadline_exceeded", "detail": detail}, 504)
        return lasts
