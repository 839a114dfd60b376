"""Hub checkpoints through the libraries' own front doors: transformers' detection pipeline, open_clip's transform."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from transformers import pipeline

from service.models.ports import Floats
from service.recognition.boxes import Box

PROMPT = "object."


class PlainHub:
    def __init__(self, localizer: Path, encoder: Path, device: str) -> None:
        chosen = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        self._device = torch.device(chosen)
        self._detector: Any = pipeline("zero-shot-object-detection", model=str(localizer), device=self._device)
        self._model, _, self._transform = open_clip.create_model_and_transforms(
            f"local-dir:{encoder}", device=self._device
        )
        self._model.eval()

    def prepare_picture(self, rgb: NDArray[np.uint8]) -> Image.Image:
        """The pipeline prepares by itself; that counts as its model time."""
        return Image.fromarray(rgb)

    def locate(self, prepared: Sequence[Image.Image]) -> list[Box | None]:
        together = len(prepared) if len({picture.size for picture in prepared}) == 1 else 1  # it stacks what is alike
        entries = [{"image": picture, "candidate_labels": [PROMPT]} for picture in prepared]
        found = self._detector(entries, threshold=0.0, batch_size=together)
        return [_best(rows, picture) for rows, picture in zip(found, prepared, strict=True)]

    def prepare_views(self, rgb: NDArray[np.uint8], box: Box | None) -> Any:
        whole = Image.fromarray(rgb)
        views = [whole]
        if box is not None:
            crop = whole.crop((round(box.x0), round(box.y0), round(box.x1), round(box.y1)))
            views.append(ImageOps.pad(crop, (max(crop.size),) * 2))
        return torch.stack([self._transform(view) for view in views])

    @torch.no_grad()
    def embed(self, prepared: Sequence[Any]) -> Floats:
        rows = self._model.encode_image(torch.cat(list(prepared)).to(self._device))
        unit: Floats = torch.nn.functional.normalize(rows, dim=-1).float().cpu().numpy()
        return unit


def _best(found: Sequence[Mapping[str, Any]], picture: Image.Image) -> Box | None:
    if not found:
        return None
    box = found[0]["box"]
    x0, y0 = max(0, box["xmin"]), max(0, box["ymin"])
    return Box(x0, y0, max(x0 + 1, min(picture.width, box["xmax"])), max(y0 + 1, min(picture.height, box["ymax"])))
