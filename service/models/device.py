"""Where a model runs: on a GPU in a stream of its own, so that the models overlap, and with pinned transfers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from numpy.typing import NDArray

from service.models.hardware import Hardware


class Device:
    """One model's place on the hardware. On processors `send` and `fetch` copy nothing.

    Args:
        urgent: goes before work that is not, where a GPU has to choose.
    """

    def __init__(self, hardware: Hardware, *, urgent: bool = True) -> None:
        self.torch = torch.device(hardware.device)
        self._stream: torch.cuda.Stream | None = None
        if self.torch.type == "cuda":
            self._stream = torch.cuda.Stream(priority=-1 if urgent else 0)
            # Torch's default rounds what convolutions multiply to TF32. The detectors have five of them, which cost
            # little, and of boxes that are nearly equally good another one came out best.
            torch.backends.cudnn.allow_tf32 = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inference without gradients, in the model's stream; whatever thread enters, the work keeps its order."""
        with torch.inference_mode():
            if self._stream is None:
                yield
            else:
                with torch.cuda.stream(self._stream):
                    yield

    def send(self, array: NDArray[Any]) -> torch.Tensor:
        """The array on the device; the host goes on before the copy is done."""
        tensor = torch.from_numpy(array)
        return tensor if self._stream is None else tensor.pin_memory().to(self.torch, non_blocking=True)

    def fetch(self, tensor: torch.Tensor) -> NDArray[Any]:
        """The tensor's values, once all work before it is done."""
        if self._stream is None:
            return tensor.numpy()
        pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        pinned.copy_(tensor, non_blocking=True)
        self.finish()
        return pinned.numpy()

    def finish(self) -> None:
        """Wait until all work sent so far is done. The thread sleeps meanwhile: decoding needs the processors."""
        if self._stream is not None:
            done = torch.cuda.Event(blocking=True)
            done.record(self._stream)
            done.synchronize()
