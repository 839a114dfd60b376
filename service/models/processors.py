"""Networks on processors, in OpenVINO: pictures side by side, or together in one call; all threads busy."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from openvino import passes, preprocess  # noqa: E402

__all__ = [
    "Network", "Part", "Together", "core", "has_tiles", "openvino", "ops", "passes", "preprocess", "uses_bfloat16",
]  # fmt: skip

# Activations are rounded to int8 in groups of so many values of one row, so that no row depends on another.
ROUNDED_TOGETHER = 768


@dataclass(frozen=True, eq=False)
class Part:
    """A graph whose first axes are of length 1, or are made so: either the first, with one input, or one that reads
    what earlier parts wrote. given, wanted: names of what is handed on, in the order of inputs and outputs; the last
    output has none.
    exact: in float32, even where the other parts do with bfloat16.
    """

    model: openvino.Model
    given: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    exact: bool = False


class _Lane:
    """One picture's way through all parts."""

    def __init__(self, parts: Sequence[Part], compiled: Sequence[Any]) -> None:
        self._requests, written = [], dict[str, Any]()
        for part, network in zip(parts, compiled, strict=True):
            request = network.create_infer_request()
            for place, name in enumerate(part.given):
                request.set_input_tensor(place, written[name])
            written |= {name: request.get_output_tensor(place) for place, name in enumerate(part.wanted)}
            self._requests.append(request)

    def start(self, step: int, picture: NDArray[Any]) -> None:
        self._requests[step].start_async({} if step else {0: picture[None]})

    def wait(self, step: int) -> None:
        self._requests[step].wait()

    @property
    def result(self) -> Floats:
        output: Floats = np.array(self._requests[-1].get_output_tensor(0).data[0], np.float32)
        return output


class Network:
    """A network that takes one picture a call, for one thread at a time.

    As many pictures as there are threads are computed side by side, a thread each, which loses no time to threads that
    wait for each other; what is left over gets all threads, one picture after the other.
    """

    def __init__(self, parts: Sequence[Part], hardware: Hardware) -> None:
        self._steps = range(len(parts))
        parts = [replace(part, model=_for_one(part.model)) for part in parts]
        self._alone = _Lane(parts, [_compiled(part, hardware, streams=1) for part in parts])
        self._beside: list[_Lane] = []
        if hardware.threads > 1:
            compiled = [_compiled(part, hardware, streams=hardware.threads) for part in parts]
            self._beside = [_Lane(parts, compiled) for _ in range(hardware.threads)]

    def __call__(self, pictures: Sequence[NDArray[Any]]) -> list[Floats]:
        """For each picture, the network's input without its first axis, its output without its first axis."""
        outputs: list[Floats] = []
        while len(outputs) < len(pictures):
            left = pictures[len(outputs) :]
            # Threads that share a picture wait for each other: a few idle ones cost less.
            lanes = self._beside[: len(left)] if 2 * len(left) > len(self._beside) > 0 else [self._alone]
            outputs += self._together(lanes, left[: len(lanes)])
        return outputs

    def _together(self, lanes: Sequence[_Lane], pictures: Sequence[NDArray[Any]]) -> list[Floats]:
        for step in self._steps:
            started: list[_Lane] = []
            try:
                for lane, picture in zip(lanes, pictures, strict=True):
                    lane.start(step, picture)
                    started.append(lane)
            finally:
                for lane in started:
                    lane.wait(step)
        return [lane.result for lane in lanes]


class Together:
    """A network that takes any number of pictures a call, each with the same result in whatever company; for one
    thread at a time.

    Pictures that threads can share out evenly are, so many in one call of each, which loses no time to threads that
    wait for each other; others get all threads in one call.
    """

    def __init__(self, model: openvino.Model, hardware: Hardware) -> None:
        streams = [1] if hardware.threads == 1 else [1, hardware.threads]
        compiled = {count: _compiled(Part(model), hardware, streams=count) for count in streams}
        self._alone, *self._beside = [
            network.create_infer_request() for count, network in compiled.items() for _ in range(count)
        ]

    def __call__(self, pictures: Sequence[NDArray[Any]]) -> list[Floats]:
        """As `Network` does."""
        if not len(pictures):
            return []
        even = self._beside and len(pictures) % len(self._beside) == 0
        requests = self._beside if even else [self._alone]
        started: list[Any] = []
        try:
            for request, share in zip(requests, np.split(np.stack(pictures), len(requests)), strict=True):
                request.start_async({0: share})
                started.append(request)
        finally:
            for request in started:
                request.wait()
        return [row for request in requests for row in np.array(request.get_output_tensor(0).data, np.float32)]


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


def _compiled(part: Part, hardware: Hardware, streams: int) -> Any:
    return core().compile_model(
        part.model,
        "CPU",
        {
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": hardware.threads,
            "INFERENCE_PRECISION_HINT": "bf16" if uses_bfloat16(hardware) and not part.exact else "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": ROUNDED_TOGETHER,
            "ENABLE_CPU_PINNING": False,  # other threads and other processes have work too
        },
    )
