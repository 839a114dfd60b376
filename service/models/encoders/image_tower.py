"""open_clip's image encoder from bytes to embeddings: normalization on the device, fixed batch sizes on a GPU."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from service.models.buckets import bucket_of
from service.models.device import Device
from service.models.graphs import Graphs, graphs_for_encoder
from service.models.hardware import Hardware
from service.models.portions import Portions
from service.models.ports import Bytes, Floats

MOST_TOGETHER = 256


class ImageTower:
    """For one thread at a time.

    Args:
        model: open_clip's, on the device and in its number format.
        mean, std: of the three colours, as open_clip normalizes with them.
    """

    def __init__(self, name: str, model: Any, mean: Sequence[float], std: Sequence[float], hardware: Hardware) -> None:
        self._model, self._device = model, Device(hardware)
        self._dtype = torch.bfloat16 if hardware.bfloat16 else torch.float32
        self._portions = Portions(name, MOST_TOGETHER)
        self._graphs: Graphs = graphs_for_encoder(name, self._device, hardware)
        with self._device.running():
            # Numbers on the device: by one of the host's, a GPU multiplies with the rounded reciprocal.
            self._levels, self._mean, self._std = (
                torch.tensor(values, dtype=torch.float32, device=self._device.torch).view(-1, 1, 1)
                for values in ([255.0], list(mean), list(std))
            )
        if hardware.compile == "on":
            compile_blocks(model.visual)

    def __call__(self, pixels: Bytes) -> Floats:
        """Embeddings `[N, D]` of `pixels [N, S, S, 3]`, not scaled to unit length."""
        with self._device.running():
            rows = self._portions(len(pixels), lambda part: self._device.fetch(self._embed(pixels[part])))
        return np.concatenate(rows)

    def normalized(self, pixels: torch.Tensor) -> torch.Tensor:
        """`pixels [N, S, S, 3]` in bytes as open_clip's own transform gives them, `[N, 3, S, S]` in float32."""
        planes = pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        return planes.div_(self._levels).sub_(self._mean).div_(self._std)

    def _embed(self, pixels: Bytes) -> torch.Tensor:
        count, sent = len(pixels), self._device.send(pixels)
        bucket = bucket_of(count)
        graph = self._graphs.find(bucket, self._forward, lambda: [_blank(sent, bucket)])
        return self._forward(sent) if graph is None else graph(sent)[:count]

    def _forward(self, pixels: torch.Tensor) -> torch.Tensor:
        embeddings: torch.Tensor = self._model.encode_image(self.normalized(pixels).to(self._dtype))
        return embeddings.float()


def _blank(pixels: torch.Tensor, count: int) -> torch.Tensor:
    return pixels.new_zeros((count, *pixels.shape[1:]))


def compile_blocks(visual: nn.Module, **options: Any) -> int:
    """Compile the transformer's blocks in place; equal ones share one compilation. How many blocks there are.

    Args:
        options: of `torch.compile`.
    """
    lists = [module for module in visual.modules() if isinstance(module, (nn.ModuleList, nn.Sequential))]
    alike = [blocks for blocks in lists if len({type(block) for block in blocks}) == 1]
    longest = max(alike, key=len, default=nn.ModuleList())
    for block in longest:
        block.compile(**({"dynamic": True} | options))
    return len(longest)
