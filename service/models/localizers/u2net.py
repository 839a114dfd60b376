"""U²-Net-p: a class-agnostic mask of the salient object (Qin et al. 2020), in onnxruntime."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.models.onnx import cpu_session
from service.models.ports import Floats, LocatorInput, PromptSet
from service.recognition.boxes import Detection, mask_extent

SIDE_PX = 320
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)
MASK_LEVEL = 0.5  # of the mask stretched to [0, 1]


class U2Net:
    default_threshold = 0.3

    def __init__(self, name: str, revision: str, weights: Path, threads: int) -> None:
        self.name, self.revision = name, revision
        self._session = cpu_session(weights, threads)
        self._input = self._session.get_inputs()[0].name
        self._mask_output = self._session.get_outputs()[0].name

    def check_prompts(self, prompts: PromptSet) -> None:
        """Any prompt is accepted and has no effect: the model knows no words."""

    def preprocess(self, rgb: NDArray[np.uint8], prompts: PromptSet) -> LocatorInput:
        height, width = rgb.shape[:2]
        small = np.asarray(Image.fromarray(rgb).resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS), np.float32)
        normal = (small / max(float(small.max()), 1.0) - IMAGENET_MEAN) / IMAGENET_STD
        return LocatorInput(np.ascontiguousarray(normal.transpose(2, 0, 1)), width, height, prompts)

    def locate(self, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
        # The published graph takes one picture a call.
        masks = [self._session.run([self._mask_output], {self._input: entry.pixels[None]})[0] for entry in inputs]
        return [_detections(mask[0, 0], entry) for mask, entry in zip(masks, inputs, strict=True)]


def _detections(mask: Floats, entry: LocatorInput) -> list[Detection]:
    """The extent of the stretched `mask [320, 320]` above its level; the score is the unstretched mean inside it."""
    low, high = float(mask.min()), float(mask.max())
    if high - low < 1e-6:  # a flat mask shows nothing
        return []
    inside = (mask - low) / (high - low) > MASK_LEVEL
    extent = mask_extent(inside)
    if extent is None:
        return []
    score = float(np.clip(mask[inside].mean(), 0.0, 1.0))
    return [Detection(extent.scaled(entry.width / mask.shape[1], entry.height / mask.shape[0]), score)]
