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
from torchvision.transforms import Compose, Normalize, ToTensor

from service.errors import WeightsError
from service.models.device import Device
from service.models.encoders.image_tower import ImageTower
from service.models.hardware import Hardware
from service.models.ports import Bytes, Floats
from service.recognition.scoring import unit
from service.recognition.views import Rgb

TEXTS_AT_A_TIME = 128


class OpenClipEncoder:
    def __init__(self, name: str, revision: str, folder: Path, hardware: Hardware) -> None:
        self.name = name
        self.revision = f"{revision}-{'bfloat16' if hardware.bfloat16 else 'float32'}"
        self._device = Device(hardware, urgent=False)
        model, transform = _load(name, folder, "bf16" if hardware.bfloat16 else "fp32", self._device.torch)
        self._model = model.eval().requires_grad_(False)
        self._resized, normalize = _resizing(transform)
        self._images = ImageTower(name, self._model, normalize.mean, normalize.std, hardware)
        self._tokenize: Callable[[list[str]], torch.Tensor] = _tokenizer(folder)
        self.logit_scale = _logit_scale(model, folder)
        self.pad_colour = _mean_colour(model.visual.preprocess_cfg["mean"])
        self.dimensions = int(self.embed_texts(["."]).shape[1])

    def preprocess(self, rgb: NDArray[np.uint8]) -> Bytes:
        pixels: Bytes = np.asarray(self._resized(Image.fromarray(rgb)))
        return pixels

    def embed_images(self, pixels: Bytes) -> Floats:
        return unit(self._images(pixels))

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        with self._device.running():
            rows = [
                self._model.encode_text(self._device.send(self._tokenize(list(texts[start:end])).numpy())).float()
                for start, end in ((start, start + TEXTS_AT_A_TIME) for start in range(0, len(texts), TEXTS_AT_A_TIME))
            ]
            return unit(self._device.fetch(torch.cat(rows)))


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


def _resizing(transform: Compose) -> tuple[Compose, Normalize]:
    """The steps of open_clip's transform that give bytes, and the one that is left to the device."""
    *steps, to_tensor, normalize = transform.transforms
    assert isinstance(to_tensor, ToTensor)
    assert isinstance(normalize, Normalize)
    return Compose(steps), normalize


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
