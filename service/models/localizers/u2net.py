"""U²-Net-p: a class-agnostic mask of the salient object (Qin et al. 2020), on processors."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from service.models.hardware import Hardware
from service.models.localizers.u2net_graph import SIDE_PX, is_exact, mask_graph
from service.models.ports import Bytes, Floats, LocatorInput, PromptSet
from service.models.processors import Lane, Network, uses_bfloat16
from service.models.resizing import resized_square
from service.recognition.boxes import Detection, mask_extent

MASK_LEVEL = 0.5  # of the mask stretched to [0, 1]
LEAST_PIECE = 0.1  # of the mask's area
INSIDE_LEVEL = 127  # of the stretched mask in whole levels; higher ones are inside


class U2NetP:
    """The network as the localizer and the segmenter use it."""

    def __init__(self, weights: Path, hardware: Hardware) -> None:
        bfloat16 = uses_bfloat16(hardware)
        self._network = Network(mask_graph(weights, bfloat16=bfloat16), hardware)
        if bfloat16 and not is_exact(self._network.compiled):
            self._network = Network(mask_graph(weights, bfloat16=False), replace(hardware, bfloat16=False))

        self.lanes = tuple(partial(_masks, lane) for lane in self._network.lanes)

    def __call__(self, pictures: Sequence[Bytes]) -> list[Floats]:
        """The masks `[320, 320]` of pictures `[320, 320, 3]`; the published graph takes one picture a call."""
        return _masks(self._network, pictures)


def _masks(network: Lane, pictures: Sequence[Bytes]) -> list[Floats]:
    return [mask[0] for mask in network(pictures)]


def preprocessed(rgb: NDArray[np.uint8]) -> Bytes:
    """`rgb [H, W, 3]` squashed to the network's input `[320, 320, 3]`."""
    return resized_square(rgb, SIDE_PX, "lanczos")


def stretched(mask: Floats) -> Floats | None:
    """`mask` spread over [0, 1]; None for a flat one, which shows nothing."""
    low, high = float(mask.min()), float(mask.max())
    return (mask - low) / (high - low) if high - low >= 1e-6 else None


def levels(stretched_mask: Floats) -> NDArray[np.uint8]:
    """0 to 255; above `INSIDE_LEVEL` exactly where the stretched mask is above `MASK_LEVEL`."""
    whole: NDArray[np.uint8] = np.ceil(stretched_mask * 255 - np.float32(0.5)).astype(np.uint8)
    return whole


class U2Net:
    default_threshold = 0.3
    reads_prompts = False
    gives_masks = True

    def __init__(self, name: str, revision: str, weights: Path, hardware: Hardware) -> None:
        self.name, self.revision = name, f"{revision}-{hardware.number_format}"
        self._network = U2NetP(weights, hardware)
        self.lanes = tuple(partial(_located, lane) for lane in self._network.lanes)

    def check_prompts(self, prompts: PromptSet) -> None:
        """Any prompt is accepted and has no effect: the model knows no words."""

    def preprocess(self, rgb: NDArray[np.uint8], prompts: PromptSet) -> LocatorInput:
        height, width = rgb.shape[:2]
        return LocatorInput(preprocessed(rgb), width, height, prompts)

    def locate(self, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
        return _located(self._network, inputs)


def _located(network: Lane, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
    masks = network([entry.pixels for entry in inputs])
    return [_detections(*pair) for pair in zip(masks, inputs, strict=True)]


def _detections(mask: Floats, entry: LocatorInput) -> list[Detection]:
    """The extent of the stretched `mask [320, 320]` above its level, and, where it falls apart into several pieces of
    some size, that of each; the score is the unstretched mean inside it."""
    spread = stretched(mask)
    if spread is None:
        return []
    inside = spread > MASK_LEVEL
    pieces = _pieces(inside)
    whole = _detection(mask, spread, inside, entry, is_group=bool(pieces))
    found = [_detection(mask, np.where(piece, spread, 0), piece, entry) for piece in pieces]
    return [whole, *sorted(found, key=lambda piece: -piece.score)]


def _detection(
    mask: Floats, spread: Floats, inside: NDArray[np.bool_], entry: LocatorInput, *, is_group: bool = False
) -> Detection:
    extent = mask_extent(inside)
    assert extent is not None  # a stretched mask reaches 1
    score = float(np.clip(mask[inside].mean(), 0.0, 1.0))
    box = extent.scaled(entry.width / mask.shape[1], entry.height / mask.shape[0])
    return Detection(box, score, mask=levels(spread.astype(np.float32)), is_group=is_group)


def _pieces(inside: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The connected pieces that hold enough of `inside`; none unless there are two."""
    extent = mask_extent(inside)
    assert extent is not None  # a stretched mask reaches 1
    part = slice(int(extent.y0), int(extent.y1)), slice(int(extent.x0), int(extent.x1))
    numbered, count = label(inside[part])  # which takes as long for what is empty
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)[1:]
    large = np.flatnonzero(sizes >= LEAST_PIECE * sizes.sum()) + 1
    if large.size <= 1:
        return []
    pieces = np.zeros((len(large), *inside.shape), np.bool_)
    for piece, number in zip(pieces, large, strict=True):
        piece[part] = numbered == number
    return list(pieces)
