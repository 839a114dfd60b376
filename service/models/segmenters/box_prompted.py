"""What the segmenters share that take a box as their prompt: the way into the model, and the mask's way back."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from service.models.device import Device
from service.models.hardware import Hardware
from service.models.localizers.detector import runs_of_equals
from service.models.portions import Portions
from service.models.ports import SegmenterInput
from service.recognition.boxes import Box

# Pictures in one model call. Measured at full size: on a GPU four are 1.2 (SAM) and 1.4 (SAM 2) times as fast as one,
# and sixteen hardly faster than four, but in need of 28 GB for SAM; on processors more than one only take more memory.
MOST_TOGETHER: Mapping[str, int] = {"cpu": 1, "cuda": 4}


class BoxPrompted:
    """A model of transformers' SAM line, asked for the one mask of one box in each picture."""

    def __init__(self, name: str, revision: str, model: Any, processor: Any, hardware: Hardware) -> None:
        self.name, self.revision = name, revision
        self._device = Device(hardware)
        self._portions = Portions(name, MOST_TOGETHER[hardware.device])
        self._model: Any = model.eval().requires_grad_(False).to(self._device.torch)
        self._processor: Any = processor
        self._side_px: int = model.config.prompt_encoder_config.image_size
        self._longest_px = 2 * self._side_px

    def preprocess(self, rgb: NDArray[np.uint8], box: Box) -> SegmenterInput:
        height, width = rgb.shape[:2]
        image = Image.fromarray(rgb)
        # The processor copies the picture several times at its full size before it makes it small.
        if max(image.size) > self._longest_px:
            image.thumbnail((self._longest_px, self._longest_px), reducing_gap=3.0)
        pixels = self._processor.image_processor(image, do_pad=False, return_tensors="np")["pixel_values"][0]
        return SegmenterInput(np.asarray(pixels, np.float32), width, height, box)

    def segment(self, inputs: Sequence[SegmenterInput]) -> list[NDArray[np.bool_]]:
        masks: dict[int, NDArray[np.bool_]] = {}
        for places, group in runs_of_equals(inputs, lambda entry: entry.pixels.shape):
            masks |= zip(places, self._segment_equals(group), strict=True)
        return [masks[place] for place in range(len(inputs))]

    def _segment_equals(self, group: Sequence[SegmenterInput]) -> list[NDArray[np.bool_]]:
        with self._device.running():
            return list(chain(*self._portions(len(group), lambda part: self._segment_together(group[part]))))

    def _segment_together(self, group: Sequence[SegmenterInput]) -> list[NDArray[np.bool_]]:
        pixels = self._device.send(np.stack([entry.pixels for entry in group]))
        boxes = self._device.send(np.array([[_in_model_pixels(entry)] for entry in group], np.float32))
        # SAM sees a picture in the upper left of a square. SAM 2 sees it squashed to one: nothing is missing.
        missing = (0, self._side_px - pixels.shape[3], 0, self._side_px - pixels.shape[2])
        square = torch.nn.functional.pad(pixels, missing)
        output = self._model(pixel_values=square, input_boxes=boxes, multimask_output=False)
        return [self._mask(logits, entry) for logits, entry in zip(output.pred_masks, group, strict=True)]

    def _mask(self, logits: torch.Tensor, entry: SegmenterInput) -> NDArray[np.bool_]:
        """The picture's mask `[height, width]` from `logits [1, 1, h, w]`; a huge picture's is enlarged as levels."""
        factor = min(1.0, self._longest_px / max(entry.width, entry.height))
        size = tuple(max(1, round(side * factor)) for side in (entry.height, entry.width))
        enlarged = self._processor.post_process_masks([logits], [size], reshaped_input_sizes=[entry.pixels.shape[1:]])
        mask: NDArray[np.bool_] = enlarged[0][0, 0].cpu().numpy()
        if factor == 1.0:
            return mask
        levels = Image.fromarray(mask.astype(np.uint8) * 255)
        return np.asarray(levels.resize((entry.width, entry.height), Image.Resampling.BILINEAR)) > 127


def _in_model_pixels(entry: SegmenterInput) -> tuple[float, float, float, float]:
    height, width = entry.pixels.shape[1:]
    box = entry.box.scaled(width / entry.width, height / entry.height)
    return box.x0, box.y0, box.x1, box.y1
