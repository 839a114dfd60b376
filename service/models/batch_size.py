"""How many pictures share a model call: set, found at the start (on a GPU), or a number for each family of models."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np

from service.errors import ModelFailed
from service.models.buckets import DETECTIONS_BEFORE_GRAPH, DETECTIONS_IN_GRAPH, buckets_up_to
from service.models.catalog import Family
from service.models.hardware import Hardware
from service.models.ports import Encoder, Localizer, PromptSet, Segmenter
from service.recognition.boxes import Box

Run = Callable[[int], object]
LEAST_GAIN = 1.05  # in throughput, for a batch twice as large: a larger one makes everybody in it wait longer
TIMED_RUNS = 3
RESERVE = 0.1  # of the GPU's memory: for other sizes of pictures, texts, and the libraries
# Of processors a model call keeps all busy with one picture. More together only makes the first wait for the last.
ON_PROCESSORS: Mapping[Family, int] = {
    "grounding_dino": 1,
    "owlv2": 1,
    "none": 1,
    "sam": 1,
    "sam2": 1,
    "open_clip": 8,
}
FOR_EACH_THREAD: Mapping[Family, int] = {"u2net": 1, "u2net_mask": 1, "embedded_clip": 3}  # of networks side by side
MOST_ON_GPU = {"localizer": 32, "segmenter": 16, "encoder": 128}
PROBE_SIZE = (480, 640)  # height and width of a usual picture
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchSizes:
    """Most pictures in one call of each model; the encoder's are views, of which a picture has two or more."""

    localizer: int = 16
    segmenter: int = 16
    encoder: int = 32

    def __post_init__(self) -> None:
        if min(self.localizer, self.segmenter, self.encoder) < 1:
            raise ValueError(f"a batch holds at least one picture: {self}")

    @classmethod
    def all(cls, size: int) -> "BatchSizes":
        return cls(size, size, size)


def on_processors(threads: int, localizer: Family, segmenter: Family | None, encoder: Family) -> BatchSizes:
    return BatchSizes(
        *(1 if family is None else _together(family, threads) for family in (localizer, segmenter, encoder))
    )


def _together(family: Family, threads: int) -> int:
    return FOR_EACH_THREAD[family] * threads if family in FOR_EACH_THREAD else ON_PROCESSORS[family]


def on_gpu(localizer: Localizer, segmenter: Segmenter | None, encoder: Encoder, asked: int | None = None) -> BatchSizes:
    """The sizes asked for or the largest useful ones; every batch size that has a graph of its own is run."""
    found = {}
    for stage, run in _runs(localizer, segmenter, encoder).items():
        room = GpuRoom()
        found[stage] = asked or largest_useful(run, MOST_ON_GPU[stage], room.for_twice)
        for size in buckets_up_to(found[stage]):
            _prepare(run, size)
        log.info("batch size", extra={"stage": stage, "most": found[stage]})
    return BatchSizes(**found)


def _runs(localizer: Localizer, segmenter: Segmenter | None, encoder: Encoder) -> dict[str, Run]:
    """For each stage a call of its model with so many usual pictures."""
    rgb = np.random.default_rng(0).integers(0, 256, (*PROBE_SIZE, 3), np.uint8)
    view = encoder.preprocess(rgb)
    runs: dict[str, Run] = {"encoder": lambda count: encoder.embed_images(np.stack([view] * count))}
    if localizer.name != "none":
        picture = localizer.preprocess(rgb, PromptSet())
        runs["localizer"] = lambda count: localizer.locate([picture] * count)
    if segmenter is not None:
        boxed = segmenter.preprocess(rgb, Box(160, 120, 480, 360))
        runs["segmenter"] = lambda count: segmenter.segment([boxed] * count)
    return runs


def largest_useful(
    run: Run, most: int, room_for_twice: Callable[[], bool], clock: Callable[[], float] = time.perf_counter
) -> int:
    """The last size of 1, 2, 4, … up to `most` at which throughput still rose by `LEAST_GAIN`.

    Args:
        run: calls the model with so many pictures.
        room_for_twice: whether the memory would do for twice as many as ran last.
    """
    best, best_rate, size = 1, 0.0, 1
    while size <= most:
        try:
            rate = size / _seconds(run, size, clock)
        except ModelFailed:
            break
        if rate < LEAST_GAIN * best_rate:
            break
        best, best_rate = size, rate
        if not room_for_twice():
            break
        size *= 2
    return best


def _seconds(run: Run, size: int, clock: Callable[[], float]) -> float:
    _prepare(run, size)
    times = []
    for _ in range(TIMED_RUNS):
        start = clock()
        run(size)
        times.append(clock() - start)
    return median(times)


def _prepare(run: Run, size: int) -> None:
    """As often as it takes until the graph is captured that further calls use."""
    for _ in range(DETECTIONS_BEFORE_GRAPH if size <= DETECTIONS_IN_GRAPH else 1):
        run(size)


class GpuRoom:
    """The GPU's memory as this process uses it."""

    def __init__(self) -> None:
        import torch

        self._cuda = torch.cuda
        self._cuda.reset_peak_memory_stats()
        self._at_rest = self._cuda.memory_allocated()

    def for_twice(self) -> bool:
        used = self._cuda.max_memory_allocated() - self._at_rest
        free, total = self._cuda.mem_get_info()
        unused = self._cuda.memory_reserved() - self._cuda.memory_allocated()
        return 2 * used + RESERVE * total < free + unused


def batch_sizes(
    hardware: Hardware,
    families: tuple[Family, Family | None, Family],
    models: tuple[Localizer, Segmenter | None, Encoder],
    asked: int | None,
) -> BatchSizes:
    """Args:
    families, models: of the localizer, the segmenter, if there is one, and the encoder.
    asked: the size for all of them, if it is set.
    """
    if hardware.device == "cuda":
        return on_gpu(*models, asked)
    return on_processors(hardware.threads, *families) if asked is None else BatchSizes.all(asked)
