"""The text projector: MiniLM text embeddings -> the centred image space of CLIP ViT-B/16.

No package registry holds CLIP's text tower, so a kernel regression on named drawings stands in for it. CARD.md beside
this file says how it was made and how far it can be trusted. Numpy and safetensors only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from service.recognition.scoring import class_logits, softmax, unit

Floats = npt.NDArray[np.float32]
TEXT_DIM, IMAGE_DIM = 384, 512
TEXT_POLICY = "{}"
"""What the text encoder is to be given for a class name: the bare name. The projector was fitted on bare names, and a
template such as "A photo of a {}" around them costs accuracy (figures in CARD.md)."""
_BLOCK = 128  # rows computed at a time, always as many: BLAS may round differently for another number of rows


class ProjectorFileError(ValueError):
    """The file is no text projector of this version; the message says what is wrong with it."""


@dataclass(frozen=True, eq=False)
class TextProjector:
    """Kernel regression text -> image: a text's vector is the sum of `coefficients`, each weighted by the Gaussian
    kernel exp(-gamma * squared distance) of the text to a landmark."""

    landmarks: Floats
    """Unit text embeddings [M, 384]."""
    coefficients: Floats
    """[M, 512]."""
    image_mean: Floats
    """[512]; subtract from unit image embeddings, then normalise again: `centre_images` does."""
    gamma: float
    logit_scale: float
    """Class scores are `logit_scale` times the cosine of a centred image and a projected text."""

    def __post_init__(self) -> None:
        rows = self.landmarks.shape[0]
        shapes = {"landmarks": (rows, TEXT_DIM), "coefficients": (rows, IMAGE_DIM), "image_mean": (IMAGE_DIM,)}
        for name, shape in shapes.items():
            values: Floats = getattr(self, name)
            if values.shape != shape or values.dtype != np.float32 or not np.isfinite(values).all():
                raise ProjectorFileError(f"{name}: expected finite float32 {shape}, got {values.dtype} {values.shape}")
        if rows == 0 or not (0 < self.gamma < np.inf and 0 < self.logit_scale < np.inf):
            raise ProjectorFileError("a projector needs landmarks and a positive gamma and logit scale")

    @classmethod
    def load(cls, path: Path) -> TextProjector:
        """Read a projector. Raises `ProjectorFileError` if the file is missing, damaged or of another layout."""
        try:
            tensors = load_file(path)
            landmarks = _rows(_from_nibbles(tensors["landmarks"]), tensors["landmark_steps"])
            coefficients = _rows(tensors["coefficients"], tensors["coefficient_steps"])
            gamma, logit_scale = (float(value) for value in tensors["gamma_and_logit_scale"])
            mean = tensors["image_mean"]
        except (OSError, SafetensorError, KeyError, ValueError, IndexError) as error:
            raise ProjectorFileError(f"{path} is not a readable text projector: {error}") from error
        return cls(unit(landmarks), coefficients, mean, gamma, logit_scale)

    def save(self, path: Path) -> None:
        """Write the projector: landmarks in 4 bits a number, coefficients in 8, each row with its own step (scale).

        Landmarks that are not `coded` beforehand lose precision here; those of `fit.py` are.
        """
        landmarks, landmark_steps = _levels(self.landmarks, 7)
        coefficients, coefficient_steps = _levels(self.coefficients, 127)
        scalars = np.array([self.gamma, self.logit_scale], dtype=np.float32)
        tensors: dict[str, npt.NDArray[Any]] = {
            "landmarks": _to_nibbles(landmarks),
            "landmark_steps": landmark_steps,
            "coefficients": coefficients,
            "coefficient_steps": coefficient_steps,
            "image_mean": self.image_mean,
            "gamma_and_logit_scale": scalars,
        }
        path.write_bytes(save(tensors, metadata={"format": "l2r2-text-projector-2"}))

    def project(self, text_embeddings: npt.ArrayLike) -> Floats:
        """Unit text embeddings [N, 384] -> unit vectors [N, 512] in the centred image space.

        A row's result does not depend on the rows beside it. Raises `ValueError` for another shape.
        """
        texts = np.asarray(text_embeddings, dtype=np.float32)
        if texts.ndim != 2 or texts.shape[1] != TEXT_DIM:
            raise ValueError(f"text embeddings must be [N, {TEXT_DIM}], got {list(texts.shape)}")
        projected = np.empty((len(texts), IMAGE_DIM), dtype=np.float32)
        block = np.zeros((_BLOCK, TEXT_DIM), dtype=np.float32)
        for start in range(0, len(texts), _BLOCK):
            rows = texts[start : start + _BLOCK]
            block[: len(rows)] = rows
            kernel = gaussian_kernel(block, self.landmarks, self.gamma)
            projected[start : start + _BLOCK] = (kernel @ self.coefficients)[: len(rows)]
        return unit(projected)

    def centre_images(self, image_embeddings: npt.ArrayLike) -> Floats:
        """Image embeddings [N, 512] of any length -> unit vectors [N, 512] that projected texts are compared with."""
        return unit(unit(np.asarray(image_embeddings, dtype=np.float32)) - self.image_mean)

    def probabilities(self, image_embeddings: npt.ArrayLike, class_vectors: Floats) -> Floats:
        """Softmax [N, C] over classes, from image embeddings [N, 512] and projected class vectors [C, 512]."""
        return softmax(class_logits(self.centre_images(image_embeddings), class_vectors, self.logit_scale))


def gaussian_kernel(left: Floats, right: Floats, gamma: float) -> Floats:
    """exp(-gamma * squared distance) [N, M] between unit rows [N, D] and [M, D]."""
    kernel: Floats = np.exp((2.0 * gamma) * (left @ right.T - np.float32(1.0)), dtype=np.float32)
    return kernel


def coded(landmarks: Floats) -> Floats:
    """Unit rows [M, 384] as they will be read back from a file: in 4 bits a number, and unit again.

    A fit on coded landmarks makes up for the coarse numbers, so they cost next to nothing.
    """
    return unit(_rows(*_levels(landmarks, 7)))


def _levels(rows: Floats, highest: int) -> tuple[npt.NDArray[np.int8], Floats]:
    steps = np.maximum(np.abs(rows).max(axis=1), 1e-12).astype(np.float32) / np.float32(highest)
    return np.round(rows / steps[:, None]).astype(np.int8), steps


def _rows(levels: npt.NDArray[np.int8], steps: Floats) -> Floats:
    if levels.dtype != np.int8 or levels.ndim != 2 or steps.shape != levels.shape[:1]:
        raise ValueError("rows of whole levels with one step each were expected")
    rows: Floats = levels.astype(np.float32) * steps[:, None].astype(np.float32)
    return rows


def _to_nibbles(levels: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    shifted = (levels + 8).astype(np.uint8)
    packed: npt.NDArray[np.uint8] = np.bitwise_or(np.left_shift(shifted[:, 0::2], 4), shifted[:, 1::2], dtype=np.uint8)
    return packed


def _from_nibbles(packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
    if packed.dtype != np.uint8 or packed.ndim != 2:
        raise ValueError("landmarks in pairs of 4 bits were expected")
    levels = np.empty((len(packed), 2 * packed.shape[1]), dtype=np.int8)
    levels[:, 0::2] = (packed >> 4).astype(np.int8) - 8
    levels[:, 1::2] = (packed & 15).astype(np.int8) - 8
    return levels
