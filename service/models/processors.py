"""Networks on processors, in OpenVINO: pictures side by side, or together in one call; all threads busy."""

import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from service.models.hardware import Hardware
from service.models.ports import Floats

# OpenVINO tells its makers of every import, unless its package for that is missing. A service for closed networks does
# not. So everything of OpenVINO is had from here.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino  # noqa: E402
from openvino import opset13 as ops  # noqa: E402
from openvino import passes  # noqa: E402
from openvino.utils.node_factory import NodeFactory  # noqa: E402

__all__ = [
    "Lane", "Network", "NodeFactory", "Together", "compiled", "core", "has_tiles", "openvino", "ops", "passes",
    "uses_bfloat16",
]  # fmt: skip

# Activations are rounded to int8 in groups of so many values of one row, so that no row depends on another.
ROUNDED_TOGETHER = 768


Lane = Callable[[Sequence[NDArray[Any]]], list[Floats]]


class Network:
    """A network that takes one picture a call, for one thread at a time.

    As many pictures as there are threads are computed side by side, a thread each, which loses no time to threads that
    wait for each other; what is left over gets all threads, one picture after the other.
    """

    def __init__(self, model: openvino.Model, hardware: Hardware) -> None:
        self._alone, *self._beside = _requests(_for_one(model), hardware)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The same on one processor each, for a thread each, while the whole is not called."""

        def one_by_one(request: _Request, pictures: Sequence[NDArray[Any]]) -> list[Floats]:
            return [row for picture in pictures for row in _results([request], [picture[None]])]

        return tuple(partial(one_by_one, request) for request in self._beside)

    @property
    def compiled(self) -> openvino.CompiledModel:
        """The one that has all threads."""
        return self._alone.infer.get_compiled_model()

    def __call__(self, pictures: Sequence[NDArray[Any]]) -> list[Floats]:
        """For each picture, the network's input without its first axis, its output without its first axis."""
        outputs: list[Floats] = []
        while len(outputs) < len(pictures):
            left = pictures[len(outputs) :]
            # Threads that share a picture wait for each other: a few idle ones cost less.
            requests = self._beside[: len(left)] if 2 * len(left) > len(self._beside) > 0 else [self._alone]
            outputs += _results(requests, [picture[None] for picture in left[: len(requests)]])
        return outputs


class Together:
    """A network that takes any number of pictures a call, each with the same result in whatever company; for one
    thread at a time.

    Pictures that threads can share out evenly are, so many in one call of each, which loses no time to threads that
    wait for each other; others get all threads in one call.
    """

    def __init__(self, model: openvino.Model, hardware: Hardware) -> None:
        self._alone, *self._beside = _requests(model, hardware)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """As those of `Network`, all pictures in one call."""

        def together(request: _Request, pictures: Sequence[NDArray[Any]]) -> list[Floats]:
            return _results([request], [np.stack(pictures)])

        return tuple(partial(together, request) for request in self._beside)

    def __call__(self, pictures: Sequence[NDArray[Any]]) -> list[Floats]:
        """As `Network` does."""
        if not len(pictures):
            return []
        even = self._beside and len(pictures) % len(self._beside) == 0
        requests = self._beside if even else [self._alone]
        return _results(requests, np.split(np.stack(pictures), len(requests)))


def has_tiles(hardware: Hardware) -> bool:
    """Whether products are computed in bfloat16, and by units made for that (AMX)."""
    return uses_bfloat16(hardware) and bool(torch.cpu.get_capabilities().get("amx_bf16"))


def uses_bfloat16(hardware: Hardware) -> bool:
    """Whether these processors are to compute in bfloat16 and can: the hardware's number format may be a GPU's."""
    return hardware.bfloat16 and "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _for_one(model: openvino.Model) -> openvino.Model:
    shapes = {port: [1, *list(port.partial_shape)[1:]] for port in model.inputs if port.partial_shape.is_dynamic}
    if shapes:
        model.reshape(shapes)
    return model


def core() -> openvino.Core:
    return openvino.Core()


class _Request:
    """An inference for one caller at a time: one who is waited for no more may still be at it."""

    def __init__(self, network: openvino.CompiledModel) -> None:
        self.infer, self.lock = network.create_infer_request(), threading.Lock()


def _requests(model: openvino.Model, hardware: Hardware) -> list[_Request]:
    """The first has all threads; where there are several, one follows for each, that has it alone."""
    streams = [1] if hardware.threads == 1 else [1, hardware.threads]
    networks = {count: compiled(model, hardware, streams=count) for count in streams}
    return [_Request(network) for count, network in networks.items() for _ in range(count)]


def _results(requests: Sequence[_Request], inputs: Sequence[NDArray[Any]]) -> list[Floats]:
    """All rows, of requests that run side by side on an input each."""
    started: list[Any] = []
    with ExitStack() as held:
        for request in requests:  # everybody in the same order
            held.enter_context(request.lock)
        try:
            for request, given in zip(requests, inputs, strict=True):
                request.infer.start_async({0: given})
                started.append(request.infer)
        finally:
            for infer in started:
                infer.wait()
        return [row for infer in started for row in np.array(infer.get_output_tensor(0).data, np.float32)]


def compiled(model: openvino.Model, hardware: Hardware, streams: int = 1) -> openvino.CompiledModel:
    return core().compile_model(
        model,
        "CPU",
        {
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": hardware.threads,
            "INFERENCE_PRECISION_HINT": "bf16" if uses_bfloat16(hardware) else "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": ROUNDED_TOGETHER,
            "ENABLE_CPU_PINNING": False,  # other threads and other processes have work too
        },
    )
