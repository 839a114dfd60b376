"""U²-Net-p (Qin et al. 2020) as a segmenter: the salient object of a box's surroundings is the box's object."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.models.hardware import Hardware
from service.models.localizers.u2net import INSIDE_LEVEL, U2NetP, levels, preprocessed, stretched
from service.models.ports import Floats, SegmenterInput
from service.models.processors import Lane
from service.recognition.boxes import Box, outward_pixels
from service.recognition.views import crop

MARGIN = 0.1  # of the box's size: an object is told from its background by seeing some of it


class U2NetSegmenter:
    """A mask inside the widened box, whichever localizer the box is from; a flat mask has no pixel inside."""

    def __init__(self, name: str, revision: str, weights: Path, hardware: Hardware) -> None:
        self.name, self.revision = name, f"{revision}-{hardware.number_format}"
        self._network = U2NetP(weights, hardware)
        self.lanes = tuple(partial(_segmented, lane) for lane in self._network.lanes)

    def preprocess(self, rgb: NDArray[np.uint8], box: Box) -> SegmenterInput:
        height, width = rgb.shape[:2]
        return SegmenterInput(preprocessed(crop(rgb, box, MARGIN)), width, height, box)

    def segment(self, inputs: Sequence[SegmenterInput]) -> list[NDArray[np.bool_]]:
        return _segmented(self._network, inputs)


def _segmented(network: Lane, inputs: Sequence[SegmenterInput]) -> list[NDArray[np.bool_]]:
    masks = network([entry.pixels for entry in inputs])
    return [placed(*pair) for pair in zip(masks, inputs, strict=True)]


def placed(mask: Floats, entry: SegmenterInput) -> NDArray[np.bool_]:
    """The widened box's `mask [320, 320]`, stretched and cut at its level, in its place in the picture `[H, W]`."""
    whole = np.zeros((entry.height, entry.width), np.bool_)
    spread = stretched(mask)
    if spread is not None:
        x0, y0, x1, y1 = outward_pixels(entry.box.widened(MARGIN), entry.width, entry.height)
        resized = Image.fromarray(levels(spread)).resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR)
        whole[y0:y1, x0:x1] = np.asarray(resized) > INSIDE_LEVEL
    return whole
