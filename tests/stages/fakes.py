"""Models that read colours, so that every answer can be foreseen: plain classes behind the ports."""

import asyncio
import io
import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image

from service.datasets.prototypes import unsaved_dataset
from service.datasets.records import Dataset
from service.datasets.spec import ClassEntry, DatasetSpec
from service.models.ports import LocatorInput, PromptSet, SegmenterInput
from service.recognition.boxes import Box, Detection, mask_extent
from service.recognizer import Recognizer

WAIT_S = 20
NAMES = ("red", "green", "blue")
COLOURS: Mapping[str, tuple[int, int, int]] = {
    "red": (240, 20, 20),
    "green": (20, 240, 20),
    "blue": (20, 20, 240),
    "grey": (90, 90, 90),
}
Find = Callable[[LocatorInput], list[Detection]]
Start = Callable[..., Recognizer]


def picture_of(ground: str, *patches: tuple[str, tuple[int, int, int, int]], size: tuple[int, int] = (24, 16)) -> bytes:
    """A PNG of a ground with patches of other colours, each `x0, y0, x1, y1`; `size` is width and height."""
    rgb = np.empty((size[1], size[0], 3), np.uint8)
    rgb[:] = COLOURS[ground]
    for colour, (x0, y0, x1, y1) in patches:
        rgb[y0:y1, x0:x1] = COLOURS[colour]
    return as_png(rgb)


def as_png(rgb: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG")
    return buffer.getvalue()


class ColourEncoder:
    """A view becomes its mean colour, a text the colour that it names; both as unit vectors."""

    name, revision = "colours", "1"

    def __init__(self, logit_scale: float = 10.0, pad_colour: tuple[int, int, int] = (0, 0, 0)) -> None:
        self.logit_scale, self.pad_colour = logit_scale, pad_colour
        self.batches: list[int] = []  # how many views each call had
        self.views: list[np.ndarray] = []

    def preprocess(self, rgb: np.ndarray) -> np.ndarray:
        self.views.append(np.array(rgb))
        mean = rgb.mean(axis=(0, 1), dtype=np.float64).astype(np.float32) / 255
        return mean.view(np.uint8).reshape(2, 2, 3)  # three floats are as many bytes as a picture of two by two

    def embed_images(self, pixels: np.ndarray) -> np.ndarray:
        self.batches.append(len(pixels))
        return units(pixels.reshape(-1, 12).view(np.float32))

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return units(np.array([[text.count(name) for name in NAMES] for text in texts], np.float32))


def units(rows: np.ndarray) -> np.ndarray:
    """Divided by their lengths; black has no direction and is grey."""
    coloured = np.where(rows.any(axis=-1, keepdims=True), rows, 1)
    return (coloured / np.linalg.norm(coloured, axis=-1, keepdims=True)).astype(np.float32)


def mean_colour(rgb: np.ndarray) -> np.ndarray:
    """What the encoder makes of a view."""
    return units(rgb.reshape(-1, 3).mean(axis=0))


class FakeLocalizer:
    """Finds what `find` says. It can be held at a gate (`open`) and keeps what it was asked."""

    revision, default_threshold = "1", 0.3

    def __init__(
        self,
        find: Find,
        *,
        name: str = "fake",
        reads_prompts: bool = True,
        gives_masks: bool = False,
        default_threshold: float = 0.3,
    ) -> None:
        self._find = find
        self.name, self.reads_prompts, self.gives_masks = name, reads_prompts, gives_masks
        self.default_threshold = default_threshold
        self.asked: list[PromptSet] = []
        self.open = threading.Event()
        self.open.set()

    def check_prompts(self, prompts: PromptSet) -> None:
        for prompt in prompts.prompts:
            if prompt == "too long":
                raise ValueError("'too long' has more than 4 tokens")

    def preprocess(self, rgb: np.ndarray, prompts: PromptSet) -> LocatorInput:
        pixels = np.ascontiguousarray(rgb.transpose(2, 0, 1), np.float32)
        return LocatorInput(pixels, rgb.shape[1], rgb.shape[0], prompts)

    def locate(self, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
        assert self.open.wait(WAIT_S)
        self.asked += [entry.prompts for entry in inputs]
        return [self._find(entry) for entry in inputs]


def always(*found: Detection) -> Find:
    """Finds the same in every picture, best first."""
    return lambda _entry: list(found)


def by_colour(entry: LocatorInput) -> list[Detection]:
    """Of each prompted colour the extent of its pixels, scored by how well they fill it; best first."""
    detections = []
    for prompt in entry.prompts.prompts:
        wanted = np.array(COLOURS.get(prompt, (-1, -1, -1)), np.float32)
        mask = (entry.pixels == wanted[:, None, None]).all(axis=0)
        box = mask_extent(mask)
        if box is not None:
            detections.append(Detection(box, float(mask.sum()) / box.area, prompt))
    return sorted(detections, key=lambda found: -found.score)


class FakeSegmenter:
    """The object is what differs from the picture's first pixel inside the box; `empty` finds nothing."""

    name, revision = "differs", "1"

    def __init__(self, *, empty: bool = False) -> None:
        self.empty = empty
        self.boxes: list[Box] = []

    def preprocess(self, rgb: np.ndarray, box: Box) -> SegmenterInput:
        self.boxes.append(box)
        pixels = np.ascontiguousarray(rgb.transpose(2, 0, 1), np.float32)
        return SegmenterInput(pixels, rgb.shape[1], rgb.shape[0], box)

    def segment(self, inputs: Sequence[SegmenterInput]) -> list[np.ndarray]:
        return [self._mask(entry) for entry in inputs]

    def _mask(self, entry: SegmenterInput) -> np.ndarray:
        inside = np.zeros((entry.height, entry.width), np.bool_)
        box = entry.box
        inside[int(box.y0) : int(np.ceil(box.y1)), int(box.x0) : int(np.ceil(box.x1))] = not self.empty
        mask: np.ndarray = inside & (entry.pixels != entry.pixels[:, :1, :1]).any(axis=0)
        return mask


def dataset_of(*names: str, **fields: object) -> Dataset:
    """A dataset of colours, red, green and blue by default, with further fields of its content."""
    classes = tuple(ClassEntry(name) for name in names or NAMES)
    return unsaved_dataset(DatasetSpec(classes, **fields), ColourEncoder().embed_texts)


async def until(true: Callable[[], bool]) -> None:
    """Lets the others go on until it is true."""
    async with asyncio.timeout(WAIT_S):
        while not true():
            await asyncio.sleep(0)


def pixels_of(data: bytes) -> np.ndarray:
    """What a lossless file holds, read without the service."""
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def cosines_of(view: np.ndarray) -> np.ndarray:
    """Of a view with red, green and blue."""
    return mean_colour(view).astype(np.float64)


def confidences_of(view: np.ndarray, logit_scale: float = 10.0) -> np.ndarray:
    """Of red, green and blue by one view alone."""
    powers = np.exp(logit_scale * cosines_of(view))
    confidences: np.ndarray = powers / powers.sum()
    return confidences
