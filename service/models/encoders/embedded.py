"""The embedded pair: CLIP's image tower, and MiniLM with a text projector in the place of CLIP's text tower."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.models.encoders.clip_onnx import DIMENSIONS, ClipImageTower
from service.models.encoders.minilm import MiniLm
from service.models.ports import Floats
from service.models.projector.apply import PROJECTOR_FILE, TextProjector
from service.models.weights.digest import sha256_of
from service.recognition.scoring import unit
from service.recognition.views import Rgb


class EmbeddedEncoder:
    dimensions = DIMENSIONS
    pad_colour: Rgb = (123, 117, 104)  # CLIP's mean

    def __init__(self, name: str, revision: str, folder: Path, threads: int) -> None:
        self._images = ClipImageTower(folder / "clip_encoder.int8.onnx", threads)
        self._texts = MiniLm(folder / "minilm")
        self._projector = TextProjector.load(PROJECTOR_FILE)
        self.name = name
        self.revision = f"{revision}-{sha256_of(PROJECTOR_FILE)[:12]}"
        self.logit_scale = self._projector.logit_scale

    def preprocess(self, rgb: NDArray[np.uint8]) -> Floats:
        return self._images.preprocess(rgb)

    def embed_images(self, pixels: Floats) -> Floats:
        return unit(self._images.embed(pixels) - self._projector.image_mean)

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        return self._projector.project(self._texts.embed(texts))
