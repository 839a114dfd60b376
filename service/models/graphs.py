"""CUDA graphs: a computation's kernels, captured once and launched again as one.

A model of many small kernels waits for the host that launches them one by one; a replayed graph does not.
"""

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

import torch
from torch.overrides import TorchFunctionMode

from service.models.buckets import DETECTIONS_BEFORE_GRAPH, DETECTIONS_IN_GRAPH, MOST_DETECTION_GRAPHS
from service.models.device import Device
from service.models.hardware import Hardware

Work = Callable[..., torch.Tensor]
WARM_UPS = 2  # libraries choose their kernels and allocate their workspaces in the first runs, which no graph may hold
log = logging.getLogger(__name__)


class Replay(Protocol):
    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The result for inputs of the captured shapes, or shorter in their first axis: then only as many rows of the
        result have a meaning. It is overwritten by the next replay of any graph of the same model."""
        ...


Capture = Callable[[Work, Sequence[torch.Tensor]], Replay]


class Graphs:
    """Captured computations by key.

    Args:
        capture: None where there are no graphs.
        worth: uses of a key after which it is captured.
        most: keys captured; later ones are not.
    """

    def __init__(self, name: str, capture: Capture | None, *, worth: int = 1, most: int = 64) -> None:
        self._name, self._capture, self._worth, self._most = name, capture, worth, most
        self._uses: Counter[Hashable] = Counter()
        self._kept: dict[Hashable, Replay | None] = {}

    def find(self, key: Hashable, work: Work, inputs: Callable[[], Sequence[torch.Tensor]]) -> Replay | None:
        """The captured `work` for inputs as `inputs()` gives them; None where it is to be run as it is."""
        if self._capture is None:
            return None
        if key not in self._kept and len(self._kept) < self._most:
            self._uses[key] += 1
            if self._uses[key] >= self._worth:
                self._kept[key] = self._captured(key, self._capture, work, inputs())
        return self._kept.get(key)

    def _captured(self, key: Hashable, capture: Capture, work: Work, inputs: Sequence[torch.Tensor]) -> Replay | None:
        try:
            return capture(work, inputs)
        except RuntimeError as error:  # out of memory too
            log.warning("runs without a graph", extra={"model": self._name, "key": str(key), "reason": str(error)})
            return None


class CudaCapture:
    """Captures in the current stream; a model's graphs run one after the other and share their memory."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Work, inputs: Sequence[torch.Tensor]) -> Replay:
        stream = torch.cuda.current_stream()
        kept = [tensor.clone() for tensor in inputs]
        with KeptConstants() as constants:
            for _ in range(WARM_UPS):
                work(*kept)
            stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            # Other models' threads go on using the device meanwhile.
            with torch.cuda.graph(graph, self._pool, stream, capture_error_mode="thread_local"):
                result = work(*kept)
        return _Captured(graph, kept, result, constants)


class _Captured:
    def __init__(
        self, graph: torch.cuda.CUDAGraph, inputs: list[torch.Tensor], result: torch.Tensor, held: object
    ) -> None:
        self._graph, self._inputs, self._result, self._held = graph, inputs, result, held

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        for kept, given in zip(self._inputs, inputs, strict=True):
            kept[: len(given)].copy_(given, non_blocking=True)
        self._graph.replay()
        return self._result


class KeptConstants(TorchFunctionMode):
    """Numbers that a model's code sends to the device in every call are sent once: a graph cannot hold the transfer."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, ...], torch.Tensor] = {}

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (torch.tensor, torch.as_tensor) and _is_plain(args[0]):
            key = (str(function), repr(args), repr(sorted((kwargs or {}).items(), key=str)))
            if key not in self.kept:
                self.kept[key] = function(*args, **(kwargs or {}))
            return self.kept[key]
        return function(*args, **(kwargs or {}))


def _is_plain(value: object) -> bool:
    """Whether it is a number, or lists of numbers."""
    return all(map(_is_plain, value)) if isinstance(value, (list, tuple)) else isinstance(value, (int, float))


def graphs_for_encoder(name: str, device: Device, hardware: Hardware) -> Graphs:
    """One for each bucket; none of them but on a GPU, and where they are wanted."""
    return Graphs(name, _capture_on(device, hardware))


def graphs_for_detector(name: str, device: Device, hardware: Hardware) -> Graphs:
    return Graphs(name, _capture_on(device, hardware), worth=DETECTIONS_BEFORE_GRAPH, most=MOST_DETECTION_GRAPHS)


def _capture_on(device: Device, hardware: Hardware) -> Capture | None:
    return CudaCapture() if device.torch.type == "cuda" and hardware.compile != "off" else None


def run_in_graph(graphs: Graphs, work: Work, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
    """`work(*inputs)`, replayed if a small batch of such shapes has come often enough."""
    small = len(inputs[0]) <= DETECTIONS_IN_GRAPH
    graph = graphs.find(tuple(tensor.shape for tensor in inputs), work, lambda: inputs) if small else None
    return work(*inputs) if graph is None else graph(*inputs)
