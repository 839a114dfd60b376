"""Networks on processors, in OpenVINO: one picture a call, pictures side by side, all threads busy."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.models.hardware import Hardware
from service.models.ports import Floats

# OpenVINO tells its makers of every import, unless its package for that is missing. A service for closed networks does
# not. So everything of OpenVINO is had from here.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino  # noqa: E402
from openvino import opset13 as ops  # noqa: E402

__all__ = ["Network", "core", "openvino", "ops"]

# Activations are rounded to int8 in groups of so many values of one row, so that no row depends on another.
ROUNDED_TOGETHER = 768


class Network:
    """A network that takes one picture a call, for one thread at a time.

    As many pictures as there are threads are computed side by side, a thread each, which loses no time to threads that
    wait for each other; what is left over gets all threads, one picture after the other.

    Args:
        model: of one input and one output, its first axis of length 1.
    """

    def __init__(self, model: openvino.Model, hardware: Hardware) -> None:
        self._threads = hardware.threads
        self._alone = _compiled(model, hardware, streams=1).create_infer_request()
        self._beside: list[Any] = []
        if self._threads > 1:
            compiled = _compiled(model, hardware, streams=self._threads)
            self._beside = [compiled.create_infer_request() for _ in range(self._threads)]

    def __call__(self, pictures: Sequence[NDArray[Any]]) -> list[Floats]:
        """For each picture, the network's input without its first axis, its output without its first axis."""
        outputs: list[Floats] = []
        while self._beside and len(pictures) - len(outputs) >= self._threads:
            start = len(outputs)
            for place, request in enumerate(self._beside):
                request.start_async({0: pictures[start + place][None]})
            for request in self._beside:
                request.wait()
            outputs += [_output(request) for request in self._beside]
        for picture in pictures[len(outputs) :]:
            self._alone.infer({0: picture[None]})
            outputs.append(_output(self._alone))
        return outputs


def core() -> openvino.Core:
    return openvino.Core()


def _compiled(model: openvino.Model, hardware: Hardware, streams: int) -> Any:
    return core().compile_model(
        model,
        "CPU",
        {
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": hardware.threads,
            "INFERENCE_PRECISION_HINT": "bf16" if hardware.bfloat16 and _computes_bfloat16() else "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": ROUNDED_TOGETHER,
            "ENABLE_CPU_PINNING": False,  # other threads and other processes have work too
        },
    )


def _computes_bfloat16() -> bool:
    """Of these processors: the hardware's number format may be that of a GPU."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _output(request: Any) -> Floats:
    rows: Floats = np.array(request.get_output_tensor(0).data[0], np.float32)
    return rows
