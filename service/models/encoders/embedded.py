"""The embedded pair: CLIP's image tower, and MiniLM with a text projector in the place of CLIP's text tower."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.models.encoders.clip_graph import DIMENSIONS
from service.models.encoders.clip_tower import ClipImageTower
from service.models.encoders.minilm import MiniLm
from service.models.hardware import Hardware
from service.models.ports import Bytes, Floats
from service.models.projector.apply import TextProjector
from service.models.weights.digest import sha256_of
from service.recognition.views import Rgb

GRAPH = "rows"  # how activations are rounded; an embedding depends on it
PROJECTOR_FILE = Path(__file__).parents[1] / "projector" / "text_projector.safetensors"
# The projector was fitted on bare names, so the frame that CLIP's own text tower likes is taken off again.
_FRAME = re.compile(
    r"^\s*(?:an?\s+|the\s+)?(?:[\w-]+\s+)?(?:photo|photograph|picture|image)\s+of\s+(?:an?\s+|the\s+)?", re.IGNORECASE
)


def bare_name(prompt: str) -> str:
    """`A photo of a beagle.` as `beagle`; a prompt without such a frame stays as it is."""
    return _FRAME.sub("", prompt).strip().rstrip(".") or prompt


class EmbeddedEncoder:
    dimensions = DIMENSIONS
    pad_colour: Rgb = (123, 117, 104)  # CLIP's mean

    def __init__(self, name: str, revision: str, folder: Path, hardware: Hardware) -> None:
        self._images = ClipImageTower(folder / "clip_encoder.int8.onnx", hardware)
        self._texts = MiniLm(folder / "minilm")
        self._projector = TextProjector.load(PROJECTOR_FILE)
        self.name = name
        self.revision = f"{revision}-{sha256_of(PROJECTOR_FILE)[:12]}-{GRAPH}"
        self.logit_scale = self._projector.logit_scale
        self.lanes = tuple(partial(self._embed, lane) for lane in self._images.lanes)

    def preprocess(self, rgb: NDArray[np.uint8]) -> Bytes:
        return self._images.preprocess(rgb)

    def embed_images(self, pixels: Bytes) -> Floats:
        return self._embed(self._images.embed, pixels)

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        return self._projector.project(self._texts.embed([bare_name(text) for text in texts]))

    def _embed(self, tower: Callable[[Bytes], Floats], pixels: Bytes) -> Floats:
        return self._projector.centre_images(tower(pixels))
