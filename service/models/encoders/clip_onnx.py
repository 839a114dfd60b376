"""The image tower of OpenAI's CLIP ViT-B/16, quantized to int8, in onnxruntime (Radford et al. 2021)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.models.onnx import cpu_session
from service.models.ports import Bytes, Floats
from service.recognition.scoring import unit

SIDE_PX = 224
DIMENSIONS = 512
CLIP_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
CLIP_STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


class ClipImageTower:
    def __init__(self, weights: Path, threads: int) -> None:
        self._session = cpu_session(weights, threads)

    def preprocess(self, rgb: NDArray[np.uint8]) -> Bytes:
        """`rgb [H, W, 3]` squashed to a square `[224, 224, 3]`, so that nothing at the edges is lost."""
        small = Image.fromarray(rgb).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC, reducing_gap=3.0)
        pixels: Bytes = np.asarray(small)
        return pixels

    def embed(self, pixels: Bytes) -> Floats:
        """Unit embeddings `[N, 512]` of `pixels [N, 224, 224, 3]`.

        One picture a model call: the int8 graph scales its activations by the maximum over the whole batch, so that
        pictures sharing a call would change each other's embeddings (cosine 0.98 to 0.99 to those computed alone).
        """
        rows = [self._session.run(["image_embeds"], {"pixel_values": normalized(row)[None]})[0] for row in pixels]
        return unit(np.concatenate(rows))


def normalized(pixels: Bytes) -> Floats:
    """`pixels [224, 224, 3]` as the network takes them, `[3, 224, 224]`."""
    normal = (pixels.astype(np.float32) / 255 - CLIP_MEAN) / CLIP_STD
    return np.ascontiguousarray(normal.transpose(2, 0, 1))
