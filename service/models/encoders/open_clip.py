"""Any open_clip model from a local folder: SigLIP2, CLIP, BioCLIP.

The folder is what open_clip publishes: `open_clip_config.json`, weights, tokenizer files. Preprocessing and text policy
(SigLIP2: 64 tokens, lower case, no punctuation) travel in its configuration.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from PIL import Image

from service.models.hardware import Hardware
from service.models.ports import Floats
from service.recognition.scoring import unit
from service.recognition.views import Rgb

TEXTS_AT_A_TIME = 128


class OpenClipEncoder:
    def __init__(self, name: str, revision: str, folder: Path, hardware: Hardware) -> None:
        self.name = name
        self.revision = f"{revision}-{'bfloat16' if hardware.bfloat16 else 'float32'}"
        source = f"local-dir:{folder}"
        self._device = torch.device(hardware.device)
        self._dtype = torch.bfloat16 if hardware.bfloat16 else torch.float32
        precision = "bf16" if hardware.bfloat16 else "fp32"
        model, _, transform = open_clip.create_model_and_transforms(source, precision=precision, device=self._device)
        self._model = model.eval().requires_grad_(False)
        self._transform: Callable[[Image.Image], torch.Tensor] = transform
        self._tokenize: Callable[[list[str]], torch.Tensor] = open_clip.get_tokenizer(source)
        self.logit_scale = float(model.logit_scale.float().exp())
        self.pad_colour = _mean_colour(model.visual.preprocess_cfg["mean"])
        self.dimensions = int(self.embed_texts(["."]).shape[1])

    def preprocess(self, rgb: NDArray[np.uint8]) -> Floats:
        pixels: Floats = self._transform(Image.fromarray(rgb)).numpy()
        return pixels

    @torch.inference_mode()
    def embed_images(self, pixels: Floats) -> Floats:
        batch = torch.from_numpy(pixels).to(self._device, self._dtype)
        return unit(self._model.encode_image(batch).float().cpu().numpy())

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Floats:
        rows = [
            self._model.encode_text(self._tokenize(list(texts[start : start + TEXTS_AT_A_TIME])).to(self._device))
            for start in range(0, len(texts), TEXTS_AT_A_TIME)
        ]
        return unit(torch.cat(rows).float().cpu().numpy())


def _mean_colour(mean: Sequence[float]) -> Rgb:
    red, green, blue = (round(255 * part) for part in mean)
    return red, green, blue
