"""Any open_clip model from a local folder: SigLIP2, CLIP, BioCLIP.

The folder is what open_clip publishes: `open_clip_config.json`, weights, tokenizer files. Preprocessing and text policy
(SigLIP2: 64 tokens, lower case, no punctuation) travel in its configuration.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open

from service.errors import WeightsError
from service.models.hardware import Hardware
from service.models.ports import Floats
from service.recognition.scoring import unit
from service.recognition.views import Rgb

TEXTS_AT_A_TIME = 128


class OpenClipEncoder:
    def __init__(self, name: str, revision: str, folder: Path, hardware: Hardware) -> None:
        self.name = name
        self.revision = f"{revision}-{'bfloat16' if hardware.bfloat16 else 'float32'}"
        self._device = torch.device(hardware.device)
        self._dtype = torch.bfloat16 if hardware.bfloat16 else torch.float32
        model, transform = _load(name, folder, "bf16" if hardware.bfloat16 else "fp32", self._device)
        self._model = model.eval().requires_grad_(False)
        self._transform: Callable[[Image.Image], torch.Tensor] = transform
        self._tokenize: Callable[[list[str]], torch.Tensor] = _tokenizer(folder)
        self.logit_scale = _logit_scale(model, folder)
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


def _load(name: str, folder: Path, precision: str, device: torch.device) -> tuple[Any, Any]:
    """The model and its preprocessing. Raises: WeightsError (weights missing, misshapen, or a pickle with code)."""
    try:
        # Not create_model_and_transforms, which gives random weights where the folder holds none.
        pair: tuple[Any, Any] = open_clip.create_model_from_pretrained(
            f"local-dir:{folder}", precision=precision, device=device, weights_only=True
        )
    except (RuntimeError, UnpicklingError) as error:
        raise WeightsError(f"{name}: the weights in {folder} cannot be used: {error}") from error
    return pair


def _tokenizer(folder: Path) -> Callable[[list[str]], torch.Tensor]:
    source = f"local-dir:{folder}"
    from_folder = open_clip.get_model_config(source)["text_cfg"].get("hf_tokenizer_name")
    # A configuration's tokenizer_kwargs reach transformers; trust_remote_code among them would run the folder's code.
    tokenizer: Callable[[list[str]], torch.Tensor] = open_clip.get_tokenizer(
        source, **({"trust_remote_code": False} if from_folder else {})
    )
    return tokenizer


def _logit_scale(model: Any, folder: Path) -> float:
    """As the checkpoint has it: open_clip rounds a timm model's to bfloat16, and a confidence would depend on that."""
    weights = folder / "open_clip_model.safetensors"
    if weights.is_file():
        with safe_open(weights, "pt") as tensors:
            if "logit_scale" in tensors.keys():  # noqa: SIM118  (no mapping)
                return float(tensors.get_tensor("logit_scale").float().exp())
    return float(model.logit_scale.float().exp())


def _mean_colour(mean: Sequence[float]) -> Rgb:
    red, green, blue = (round(255 * part) for part in mean)
    return red, green, blue
