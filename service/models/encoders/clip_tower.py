"""The image tower of OpenAI's CLIP ViT-B/16 with int8 weights, on processors."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.models.encoders.clip_graph import SIDE_PX, clip_graph
from service.models.hardware import Hardware
from service.models.ports import Bytes, Floats
from service.models.processors import Lane, Network, Together, has_tiles
from service.models.resizing import resized_square
from service.recognition.scoring import unit


class ClipImageTower:
    def __init__(self, weights: Path, hardware: Hardware) -> None:
        self._network: Together | Network
        if has_tiles(hardware):
            self._network = Together(clip_graph(weights, spread=True), hardware)
        else:
            self._network = Network(clip_graph(weights), hardware)
        self.lanes = tuple(partial(_embedded, lane) for lane in self._network.lanes)

    def preprocess(self, rgb: NDArray[np.uint8]) -> Bytes:
        """`rgb [H, W, 3]` squashed to a square `[224, 224, 3]`, so that nothing at the edges is lost."""
        return resized_square(rgb, SIDE_PX, "bicubic")

    def embed(self, pixels: Bytes) -> Floats:
        """Unit embeddings `[N, 512]` of `pixels [N, 224, 224, 3]`."""
        return _embedded(self._network, pixels)


def _embedded(network: Lane, pixels: Bytes) -> Floats:
    return unit(np.stack(network(list(pixels))))
