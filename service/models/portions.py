"""Batches in portions that fit: a device that runs out of memory gets half as much from then on."""

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from service.errors import ModelFailed

Result = TypeVar("Result")
log = logging.getLogger(__name__)


class Portions:
    """Runs a batch in portions of at most `most` pictures; for one thread at a time."""

    def __init__(self, name: str, most: int) -> None:
        self._name, self.most = name, most

    def __call__(self, count: int, work: Callable[[slice], Result]) -> list[Result]:
        """`work` for consecutive slices of `count` pictures; their results in order.

        Raises:
            ModelFailed: the device's memory is too small for a single picture.
        """
        results: list[Result] = []
        start = 0
        while start < count:
            size = min(self.most, count - start)
            try:
                results.append(work(slice(start, start + size)))
                start += size
                continue
            except torch.OutOfMemoryError as error:
                failure = f"{self._name}: the device's memory is too small for {size} at a time: {error}".split("\n")[0]
            # Past the except clause, whose traceback would keep what the failed call had allocated.
            self._shrink(size, failure)
        return results

    def _shrink(self, size: int, failure: str) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if size == 1:
            raise ModelFailed(failure)
        self.most = size // 2
        log.warning("out of memory; smaller batches from now on", extra={"model": self._name, "most": self.most})
