"""A light service that remembers pictures, and finds its object in the middle of each. Run as a script it is `l2r2
serve` with that."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))  # where it is run as a script
from light_models import ColourEncoder, FaultyLocalizer, light_engine  # type: ignore[import-not-found]
from running import LightService  # type: ignore[import-not-found]

from service.api.state import Parts
from service.models.ports import LocatorInput
from service.parts import assemble
from service.recognition.boxes import Box, Detection
from service.settings import Settings, load_settings

SCORE, MEMORY_BYTES, TEXT_S = 0.8, 2**20, 0.004


class PageService(LightService):  # type: ignore[misc]
    command = (__file__,)


class MiddleLocalizer(FaultyLocalizer):  # type: ignore[misc]
    """A quarter of the picture, in its middle."""

    def locate(self, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
        super().locate(inputs)
        return [[Detection(_middle(entry.width, entry.height), SCORE)] for entry in inputs]


class SlowReader(ColourEncoder):  # type: ignore[misc]
    """Takes a while for each text, as a real one does, so that a long list is seen being built."""

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        time.sleep(TEXT_S * len(texts))
        embedded: np.ndarray = super().embed_texts(texts)
        return embedded


def _middle(width: int, height: int) -> Box:
    return Box(width / 4, height / 4, 3 * width / 4, 3 * height / 4)


def parts(settings: Settings) -> Parts:
    return assemble(settings, light_engine(settings, MiddleLocalizer(), SlowReader(), MEMORY_BYTES))


if __name__ == "__main__":
    from service.cli.serve import run

    assert sys.argv[1] == "--port"
    run(load_settings(port=int(sys.argv[2])), parts)
