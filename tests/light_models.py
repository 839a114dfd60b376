"""Models of a few lines behind the real ports, and the service around them: it starts at once, and pictures of some
colours make a model fail. Run as a script it is `l2r2 serve` with these models."""

import io
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image

from service.api.state import Parts
from service.engine import Engine
from service.models.batch_size import BatchSizes
from service.models.catalog import MODELS
from service.models.hardware import Hardware
from service.models.localizers.none import NoLocalizer
from service.models.ports import LocatorInput, PromptSet
from service.parts import assemble
from service.recognition.boxes import Box, Detection
from service.recognizer import Recognizer
from service.settings import Settings, load_settings
from service.stages.options import Limits

Colour = tuple[int, int, int]
COLOURS: Mapping[str, Colour] = {"red": (200, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 200)}
LOCATE_S = 0.002


def fail(error: BaseException) -> None:
    raise error


def hang() -> None:
    threading.Event().wait()


FAILS, TOO_LITTLE_MEMORY, HANGS, THREAD_ENDS = (1, 2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12)
BROKEN = (13, 14, 15)  # from this picture on, every one fails
FAULTS: Mapping[Colour, Callable[[], None]] = {
    FAILS: lambda: fail(ValueError("this picture is too much")),
    TOO_LITTLE_MEMORY: lambda: fail(MemoryError("no more")),
    HANGS: hang,
    THREAD_ENDS: lambda: fail(SystemExit("a thread is told to end")),
}


def picture_of(colour: Colour, salt: int = 0, size: int = 32) -> bytes:
    """A PNG of one colour; `salt` makes its bytes unlike those of others."""
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(buffer, "PNG")
    return buffer.getvalue() + salt.to_bytes(8, "big")


class ColourEncoder:
    """The nearest of COLOURS by the mean colour; a class is the colour that its prompt names."""

    name, revision, logit_scale, pad_colour = "colours", "1", 30.0, (0, 0, 0)

    def preprocess(self, rgb: np.ndarray) -> np.ndarray:
        return rgb.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)[None, None]

    def embed_images(self, pixels: np.ndarray) -> np.ndarray:
        return _unit(pixels[:, 0, 0].astype(np.float32) + 1)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        named = [next((COLOURS[name] for name in COLOURS if name in text), (90, 91, 92)) for text in texts]
        return _unit(np.array(named, np.float32) + 1)


class FaultyLocalizer(NoLocalizer):
    """The whole picture, after `locate_s` for each; FAULTS and BROKEN by the first pixel's colour."""

    name = "faulty"

    def __init__(self, locate_s: float = LOCATE_S) -> None:
        self.locate_s, self.broken = locate_s, False

    def preprocess(self, rgb: np.ndarray, prompts: PromptSet) -> LocatorInput:
        return LocatorInput(rgb[:1, :1].reshape(3), rgb.shape[1], rgb.shape[0], prompts)

    def locate(self, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
        for entry in inputs:
            colour = tuple(int(value) for value in entry.pixels)
            self.broken |= colour == BROKEN
            if self.broken:
                raise RuntimeError("the model is broken")
            if colour in FAULTS:
                FAULTS[colour]()
            time.sleep(self.locate_s)  # what a real one computes
        return [[Detection(Box(0, 0, entry.width, entry.height), 1.0)] for entry in inputs]


def light_engine(
    settings: Settings,
    localizer: FaultyLocalizer | None = None,
    encoder: ColourEncoder | None = None,
    memory_bytes: int = 0,
) -> Engine:
    limits = Limits(
        locate_timeout_s=settings.locate_timeout_s,
        request_timeout_s=settings.request_timeout_s,
        max_batch=BatchSizes.all(settings.max_batch_size or 4),
        max_waiting=settings.queue_items,
        threads=2,
        memory_bytes=memory_bytes,
    )
    recognizer = Recognizer(localizer or FaultyLocalizer(), encoder or ColourEncoder(), limits)
    return Engine(recognizer, Hardware("cpu", False, 2), MODELS["u2netp"], MODELS["embedded"], None)


def light_parts(settings: Settings) -> Parts:
    return assemble(settings, light_engine(settings))


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


if __name__ == "__main__":
    from service.cli.serve import run

    assert sys.argv[1] == "--port"
    run(load_settings(port=int(sys.argv[2])), light_parts)
