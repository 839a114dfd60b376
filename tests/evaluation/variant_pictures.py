"""Tiny pictures with an object on noise, its mask and its box."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.evaluation.labelled import Labelled
from service.images import decode
from service.recognition.boxes import Box

BOX = Box(6.0, 5.0, 14.0, 12.0)


def pixels(width: int, height: int, seed: int) -> NDArray[np.uint8]:
    """Noise without black, so that black is always made."""
    return np.random.default_rng(seed).integers(1, 256, (height, width, 3), dtype=np.uint8)


def object_mask(width: int, height: int, box: Box = BOX) -> NDArray[np.bool_]:
    """The box without its corners."""
    mask = np.zeros((height, width), np.bool_)
    x0, y0, x1, y1 = (int(edge) for edge in vars(box).values())
    mask[y0:y1, x0:x1] = True
    mask[[y0, y0, y1 - 1, y1 - 1], [x0, x1 - 1, x0, x1 - 1]] = False
    return mask


def save(path: Path, array: NDArray[np.uint8] | NDArray[np.bool_]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, "PNG")
    return path


def load(path: Path) -> NDArray[np.uint8]:
    return decode(path.read_bytes()).rgb


def collection(folder: Path, classes: tuple[str, ...] = ("bird", "cat", "dog"), each: int = 3) -> list[Labelled]:
    """`each` pictures of every class, no two of one size or of the same pixels, with masks."""
    pictures = []
    for number, label in enumerate(classes):
        for count in range(each):
            width, height = 24 + count, 18 + 2 * number
            path = save(folder / label / f"{count}.png", pixels(width, height, 100 * number + count))
            mask = save(folder / "masks" / f"{label}{count}.png", object_mask(width, height))
            pictures.append(Labelled(path, label, mask=mask))
    return pictures


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
