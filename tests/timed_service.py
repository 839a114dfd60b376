"""The real application around models that take a known time and compute nothing; also as a process of its own:
`python timed_service.py PORT FOLDER SECONDS_A_PICTURE`."""

import argparse
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI

from service.api.state import Parts
from service.app import create_app
from service.engine import Engine
from service.models.batch_size import BatchSizes
from service.models.catalog import MODELS
from service.models.hardware import Hardware
from service.models.localizers.none import NoLocalizer
from service.models.ports import LocatorInput
from service.parts import assemble
from service.recognition.boxes import Box, Detection
from service.recognizer import Recognizer
from service.serving.options import connection_options
from service.settings import Settings, load_settings
from service.stages.options import Limits

CLASSES = ("bright", "dark")
WAIT_S = 20


class Brightness:
    """An encoder of two classes by a picture's mean brightness."""

    name, revision, logit_scale, pad_colour = "brightness", "1", 10.0, (0, 0, 0)

    def preprocess(self, rgb: np.ndarray) -> np.ndarray:
        return np.full((1, 1, 3), round(rgb.mean()), np.uint8)

    def embed_images(self, pixels: np.ndarray) -> np.ndarray:
        bright = pixels[:, 0, 0, 0] / 255
        rows = np.stack([bright, 1 - bright], axis=1)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[1, 0] if "bright" in text else [0, 1] for text in texts], np.float32)


class Timed(NoLocalizer):
    """Finds the whole picture, and takes `picture_s` seconds for each; it can be held at a gate (`open`)."""

    name = "timed"

    def __init__(self, picture_s: float) -> None:
        self.picture_s, self.located = picture_s, 0
        self.open = threading.Event()
        self.open.set()

    def locate(self, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
        assert self.open.wait(WAIT_S)
        time.sleep(self.picture_s * len(inputs))  # the work
        self.located += len(inputs)
        return [[Detection(Box(0, 0, entry.width, entry.height), 1.0)] for entry in inputs]


def timed_app(localizer: Timed, settings: Settings) -> FastAPI:
    """Loads when its lifespan begins."""

    def load(settings: Settings) -> Parts:
        limits = Limits(max_batch=BatchSizes(localizer=2, encoder=8), max_waiting=settings.queue_items)
        recognizer = Recognizer(localizer, Brightness(), limits)
        hardware = Hardware("cpu", False, 1)
        return assemble(settings, Engine(recognizer, hardware, MODELS["u2netp"], MODELS["embedded"], None))

    return create_app(settings, load=load)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("picture_s", type=float)
    asked = parser.parse_args()
    settings = load_settings(data_dir=asked.folder)
    app = timed_app(Timed(asked.picture_s), settings)
    options: dict[str, Any] = connection_options(settings)
    uvicorn.run(app, port=asked.port, log_config=None, access_log=False, **options)


if __name__ == "__main__":
    main()
