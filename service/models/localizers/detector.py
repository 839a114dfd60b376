"""What the text-prompted detectors share: kept prompt features, and batches that change no picture's answer."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Generic, TypeVar

import numpy as np
import torch

from service.models.ports import Floats, PromptSet
from service.recognition.boxes import Box, Detection, clipped

MOST_DETECTIONS = 100
LEAST_SCORE = 0.05  # boxes below it are noise to every caller
KEPT_PROMPT_SETS = 256  # GroundingDINO's longest takes 0.8 MB

Features = TypeVar("Features")
Entry = TypeVar("Entry")


class KeptFeatures(Generic[Features]):
    """Prompt features, computed once for each prompt set and kept, the least recently used leaving first."""

    def __init__(self, compute: Callable[[PromptSet], Features]) -> None:
        self._compute = compute
        self._kept: OrderedDict[PromptSet, Features] = OrderedDict()
        self._lock = Lock()

    def __call__(self, prompts: PromptSet) -> Features:
        with self._lock:
            if prompts not in self._kept:
                self._kept[prompts] = self._compute(prompts)
                if len(self._kept) > KEPT_PROMPT_SETS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(prompts)
            return self._kept[prompts]


def runs_of_equals(inputs: Sequence[Entry], key: Callable[[Entry], Hashable]) -> list[tuple[list[int], list[Entry]]]:
    """`inputs` in groups of equal `key`, with their places.

    Padding unequal pictures or prompts to one size shifts a detector's scores, so only equals share a model call.
    """
    groups: dict[Hashable, list[int]] = {}
    for place, entry in enumerate(inputs):
        groups.setdefault(key(entry), []).append(place)
    return [(places, [inputs[place] for place in places]) for places in groups.values()]


def best_rows(boxes: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Of each picture the `MOST_DETECTIONS` best boxes with their scores, best first: one transfer from the device.

    Args:
        boxes: `[B, N, 4]`.
        scores: `[B, N, K]`; a box is as good as its highest score.

    Returns:
        `[B, min(N, MOST_DETECTIONS), 4 + K]` in float32.
    """
    best = scores.amax(-1).nan_to_num(-1.0)
    order = best.sort(dim=1, descending=True, stable=True).indices[:, :MOST_DETECTIONS]
    rows = torch.cat((boxes, scores), -1).float()
    return rows.gather(1, order[..., None].expand(-1, -1, rows.shape[-1]))


def detections_in_picture(
    boxes_xyxy: Floats, scores: Floats, prompts: Sequence[str | None], width: int, height: int
) -> list[Detection]:
    """Best first, clipped to the picture, at most `MOST_DETECTIONS`.

    Args:
        boxes_xyxy: `[N, 4]` in pixels of the picture.
        scores: `[N]` in [0, 1].
        prompts: for each box the prompt that found it.
    """
    found = []
    for place in np.argsort(-scores, kind="stable")[:MOST_DETECTIONS]:
        x0, y0, x1, y1 = (float(edge) for edge in boxes_xyxy[place])
        box = clipped(Box(x0, y0, x1, y1), width, height) if x1 > x0 and y1 > y0 else None
        if box is not None and scores[place] >= LEAST_SCORE:
            found.append(Detection(box, float(min(scores[place], 1.0)), prompts[int(place)]))
    return found
