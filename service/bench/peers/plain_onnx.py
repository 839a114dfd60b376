"""The embedded profile's files in onnxruntime as it comes: default sessions, Pillow, numpy."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image, ImageOps

from service.models.ports import Floats
from service.recognition.boxes import Box

PICTURE_PX, VIEW_PX = 320, 224
PICTURE_MEAN, PICTURE_STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
VIEW_MEAN, VIEW_STD = np.array([0.481, 0.458, 0.408]), np.array([0.269, 0.261, 0.276])
LEVEL = 0.5


class PlainOnnx:
    def __init__(self, localizer: Path, encoder: Path) -> None:
        providers = ["CPUExecutionProvider"]
        self._localizer = onnxruntime.InferenceSession(str(localizer / "u2netp.onnx"), providers=providers)
        self._encoder = onnxruntime.InferenceSession(str(encoder / "clip_encoder.int8.onnx"), providers=providers)

    def prepare_picture(self, rgb: NDArray[np.uint8]) -> tuple[Floats, int, int]:
        small = Image.fromarray(rgb).resize((PICTURE_PX, PICTURE_PX))
        pixels = (np.asarray(small) / 255.0 - PICTURE_MEAN) / PICTURE_STD
        return pixels.transpose(2, 0, 1)[None].astype(np.float32), rgb.shape[1], rgb.shape[0]

    def locate(self, prepared: Sequence[tuple[Floats, int, int]]) -> list[Box | None]:
        """One after the other: the file takes one picture a call."""
        return [self._locate(one) for one in prepared]

    def _locate(self, prepared: tuple[Floats, int, int]) -> Box | None:
        pixels, width, height = prepared
        name = self._localizer.get_inputs()[0].name
        mask = self._localizer.run(None, {name: pixels})[0][0, 0]
        mask = (mask - mask.min()) / max(float(mask.max() - mask.min()), 1e-6)
        rows, columns = np.where(mask > LEVEL)
        if not len(rows):
            return None
        x, y = width / PICTURE_PX, height / PICTURE_PX
        corners = (columns.min() * x, rows.min() * y, (columns.max() + 1) * x, (rows.max() + 1) * y)
        return Box(*map(float, corners))

    def prepare_views(self, rgb: NDArray[np.uint8], box: Box | None) -> Floats:
        whole = Image.fromarray(rgb)
        views = [whole]
        if box is not None:
            corners = (round(box.x0), round(box.y0), round(box.x1), round(box.y1))
            crop = whole.crop(corners)
            views.append(ImageOps.pad(crop, (max(crop.size),) * 2))
        small = [np.asarray(view.resize((VIEW_PX, VIEW_PX), Image.Resampling.BICUBIC)) / 255.0 for view in views]
        pixels = (np.stack(small) - VIEW_MEAN) / VIEW_STD
        prepared: Floats = pixels.transpose(0, 3, 1, 2).astype(np.float32)
        return prepared

    def embed(self, prepared: Sequence[Floats]) -> Floats:
        rows: Floats = self._encoder.run(["image_embeds"], {"pixel_values": np.concatenate(list(prepared))})[0]
        unit: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit
