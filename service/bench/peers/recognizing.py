"""What every peer does with its pictures, whatever its server and its models."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bench.peers.plain_models import PlainModels
from service.models.ports import Floats


def recognize(
    models: PlainModels, pictures: Sequence[NDArray[np.uint8]], prototypes: Floats, scale: float
) -> list[dict[str, Any]]:
    """Each picture's box, and its surer view's best class of `prototypes [L, D]`."""
    boxes = models.locate([models.prepare_picture(rgb) for rgb in pictures])
    views = [models.prepare_views(rgb, box) for rgb, box in zip(pictures, boxes, strict=True)]
    probabilities = softmax(scale * models.embed(views) @ prototypes.T)
    ends = np.cumsum([len(shown) for shown in views])[:-1]
    answers = []
    for box, rows in zip(boxes, np.split(probabilities, ends), strict=True):
        view, label = np.unravel_index(int(rows.argmax()), rows.shape)
        corners = None if box is None else [box.x0, box.y0, box.x1, box.y1]
        answers.append({"label": int(label), "confidence": float(rows[view, label]), "box": corners})
    return answers


def softmax(logits: NDArray[Any]) -> Floats:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True), np.float32)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--prototypes", type=Path, required=True)
    parser.add_argument("--scale", type=float, required=True)
    parser.add_argument("--models", choices=("plain", "own"), default="plain")
    return parser.parse_args()
