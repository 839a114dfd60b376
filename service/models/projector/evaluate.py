"""Accuracy on a folder of measuring pictures (`devset.csv`): the full view, the fg view and their fusion, part by part.

The pictures only judge a finished projector; nothing here feeds back into a fit. The recipe is the product's: the
full view is the whole picture squashed to 224x224, the fg view the localizer's box padded to a square, both are
softmaxed over the part's labels, and the view with the larger top probability answers.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from service.models.projector.apply import TEXT_POLICY, TextProjector
from service.models.projector.embed import Tower

Floats = npt.NDArray[np.float32]
PAD_RGB = (122, 116, 104)  # CLIP's mean colour: zero after its normalisation
_LOCALIZER_SIDE_PX = 320
_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
_IMAGENET_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)


class Encoder(Protocol):
    """What turns names into unit vectors [N, 384] (`embed.NameEncoder`)."""

    def embed(self, texts: Sequence[str]) -> Floats: ...


@dataclass(frozen=True)
class Views:
    """Embedded measuring pictures. `answers[i]` are the right answers of picture i, its label first."""

    parts: tuple[str, ...]
    answers: tuple[tuple[str, ...], ...]
    full_embeddings: Floats
    """Unit vectors [N, 512] of the whole pictures."""
    fg_embeddings: Floats
    """Unit vectors [N, 512] of the boxes; the full view again where nothing was found."""


@dataclass(frozen=True)
class Accuracy:
    """Share of right first answers of one part, and the mean confidence of the fused answer."""

    pictures: int
    classes: int
    full: float
    fg: float
    fused: float
    mean_confidence: float


class U2NetLocalizer:
    """U2-Net-p's salient object as a box."""

    def __init__(self, onnx_path: Path, threads: int = 2) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session: Any = onnxruntime.InferenceSession(str(onnx_path), options, providers=["CPUExecutionProvider"])

    def box(self, picture: Image.Image) -> tuple[int, int, int, int] | None:
        """Extent (x0, y0, x1, y1) in pixels of the mask above 0.5; None for a blank mask."""
        side = _LOCALIZER_SIDE_PX
        pixels = np.asarray(picture.resize((side, side), Image.Resampling.LANCZOS), dtype=np.float32)
        scaled = (pixels / max(float(pixels.max()), 1e-6) - _IMAGENET_MEAN) / _IMAGENET_STD
        batch = scaled.transpose(2, 0, 1)[None].astype(np.float32)
        mask = self._session.run(None, {self._session.get_inputs()[0].name: batch})[0][0, 0]
        spread = float(mask.max() - mask.min())
        if spread < 1e-6:
            return None
        rows, columns = np.nonzero((mask - mask.min()) / spread > 0.5)
        across, down = picture.width / side, picture.height / side
        x0, y0 = int(columns.min() * across), int(rows.min() * down)
        return x0, y0, round((columns.max() + 1) * across), round((rows.max() + 1) * down)


def fg_view(picture: Image.Image, box_xyxy: tuple[int, int, int, int]) -> Image.Image:
    """The box cut out and padded to a square, centred, with `PAD_RGB`."""
    crop = picture.crop(box_xyxy)
    return ImageOps.pad(crop, (max(crop.size),) * 2, color=PAD_RGB)


def embed_devset(devset_dir: Path, tower: Tower, localizer: U2NetLocalizer) -> Views:
    """Both views of every picture in `devset_dir/devset.csv`. Raises `OSError` for a missing or unreadable file."""
    with (devset_dir / "devset.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    full, fg = [], []
    for row in rows:
        picture = ImageOps.exif_transpose(Image.open(devset_dir / row["path"])).convert("RGB")
        box = localizer.box(picture)
        full.append(tower.embed(picture))
        fg.append(full[-1] if box is None else tower.embed(fg_view(picture, box)))
    accepted = [[word.strip() for word in re.split(r"[|;]", row["accept"]) if word.strip()] for row in rows]
    answers = tuple((row["label"], *more) for row, more in zip(rows, accepted, strict=True))
    return Views(tuple(row["part"] for row in rows), answers, np.stack(full), np.stack(fg))


def evaluate_views(views: Views, projector: TextProjector, encoder: Encoder) -> dict[str, Accuracy]:
    """Accuracy of each part. Classes are all labels of `natural`, or all labels of the other (composed) parts."""
    report = {}
    natural = np.array([part == "natural" for part in views.parts])
    for group in (natural, ~natural):
        members = np.flatnonzero(group)
        labels = sorted({views.answers[index][0] for index in members})
        class_vectors = projector.project(encoder.embed([TEXT_POLICY.format(label) for label in labels]))
        for part in dict.fromkeys(views.parts[index] for index in members):
            chosen = [int(index) for index in members if views.parts[index] == part]
            report[part] = _accuracy(views, chosen, labels, class_vectors, projector)
    return report


def evaluate_devset(
    devset_dir: Path, projector: TextProjector, *, tower: Tower, localizer: U2NetLocalizer, encoder: Encoder
) -> dict[str, Accuracy]:
    """`embed_devset` then `evaluate_views`: accuracy by part of the pictures below `devset_dir`."""
    return evaluate_views(embed_devset(devset_dir, tower, localizer), projector, encoder)


def _accuracy(
    views: Views, chosen: list[int], labels: list[str], class_vectors: Floats, projector: TextProjector
) -> Accuracy:
    full = projector.probabilities(views.full_embeddings[chosen], class_vectors)
    fg = projector.probabilities(views.fg_embeddings[chosen], class_vectors)
    fused = np.where(full.max(1, keepdims=True) >= fg.max(1, keepdims=True), full, fg)
    right = np.array([[label in views.answers[index] for label in labels] for index in chosen])
    rows = np.arange(len(chosen))
    shares = [float(right[rows, scores.argmax(1)].mean()) for scores in (full, fg, fused)]
    return Accuracy(len(chosen), len(labels), shares[0], shares[1], shares[2], float(fused.max(1).mean()))
