"""Models that see the mean colour, behind the ports, and count what they are asked."""

import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.datasets.prototypes import unsaved_dataset
from service.datasets.records import Dataset
from service.datasets.spec import ClassEntry, DatasetSpec
from service.models.ports import LocatorInput, PromptSet
from service.recognition.boxes import Box, Detection
from service.recognizer import Recognizer
from service.stages.options import Limits

COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}


class ColourEncoder:
    name, revision, logit_scale, pad_colour = "colours", "e1", 20.0, (0, 0, 0)

    def __init__(self) -> None:
        self.seen = 0

    def preprocess(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        mean = rgb.mean(axis=(0, 1)).astype(np.float32)
        return mean.view(np.uint8).reshape(2, 2, 3)  # three floats are as many bytes as a picture of two by two

    def embed_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.seen += len(pixels)
        return _unit(pixels.reshape(-1, 12).view(np.float32))

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = [COLOURS[next(name for name in COLOURS if name in text)] for text in texts]
        return _unit(np.array(rows, np.float32))


class MiddleLocalizer:
    """The middle of the picture; of one that is wider than high nothing at all."""

    name, revision, default_threshold, reads_prompts, gives_masks = "middle", "l1", 0.3, False, False

    def __init__(self) -> None:
        self.open = threading.Event()  # it waits where this is not set
        self.open.set()

    def check_prompts(self, prompts: PromptSet) -> None:
        pass

    def preprocess(self, rgb: NDArray[np.uint8], prompts: PromptSet) -> LocatorInput:
        return LocatorInput(np.zeros((3, 1, 1), np.float32), rgb.shape[1], rgb.shape[0], prompts)

    def locate(self, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
        assert self.open.wait(20)
        boxes = [Box(at.width / 4, at.height / 4, at.width * 3 / 4, at.height * 3 / 4) for at in inputs]
        return [[] if at.width > at.height else [Detection(box, 0.8)] for at, box in zip(inputs, boxes, strict=True)]


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    scaled: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


@contextmanager
def recognizing(**limits: float) -> Iterator[Recognizer]:
    recognizer = Recognizer(MiddleLocalizer(), ColourEncoder(), Limits(**limits))
    try:
        yield recognizer
    finally:
        recognizer.close(20)


def coloured(**fields: object) -> Dataset:
    """A dataset of the three colours, with further fields of its content."""
    return unsaved_dataset(DatasetSpec(tuple(map(ClassEntry, COLOURS)), **fields), ColourEncoder().embed_texts)


def painted(path: Path, ground: str, middle: str | None = None, size: tuple[int, int] = (40, 40)) -> Path:
    """A picture of one colour with a middle of another; `size` is width and height."""
    width, height = size
    image = Image.new("RGB", size, COLOURS[ground])
    if middle is not None:
        image.paste(COLOURS[middle], (width // 4, height // 4, width * 3 // 4, height * 3 // 4))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())
    return path
