"""Pictures made ready for the models as the service makes them, once, so that the models alone can be timed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from service.bench.figures import percentile
from service.images import ImageLimits, decode
from service.models.ports import Bytes, Encoder, Localizer, LocatorInput, PromptSet
from service.recognition.boxes import Box
from service.recognition.views import VIEWS, Scene, Style
from service.stages.locating import full_size

PROMPTS = PromptSet(("object",))
TIMES = 15
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Prepared:
    """`located`: a picture as the localizer takes it, None where there is none; `views [V, 3, S, S]` as the encoder
    takes them."""

    located: LocatorInput | None
    views: Bytes


@dataclass(frozen=True)
class Models:
    localizer: Localizer
    encoder: Encoder
    limits: ImageLimits

    @property
    def locates(self) -> bool:
        return self.localizer.name != "none"

    def scene(self, data: bytes, branches: Sequence[str]) -> Scene:
        """With the best box (the middle of the picture where nothing is found) and a mask if a view needs one."""
        rgb = decode(data, self.limits).rgb
        height, width = rgb.shape[:2]
        middle = Box(width * 0.25, height * 0.25, width * 0.75, height * 0.75)
        found = self.localizer.locate([self.localizer.preprocess(rgb, PROMPTS)])[0] if self.locates else []
        if not found:
            return Scene(rgb, middle, _everything(rgb))
        own = found[0].mask is not None and any(VIEWS[name].needs_mask for name in branches)
        return Scene(rgb, found[0].box, full_size(found[0], rgb) if own else _everything(rgb))

    def views(self, scene: Scene, branches: Sequence[str]) -> Bytes:
        style = Style(self.encoder.pad_colour)
        return np.stack([self.encoder.preprocess(VIEWS[name].make(scene, style)) for name in branches])

    def prepare(self, files: Sequence[str], branches: Sequence[str]) -> list[Prepared]:
        prepared = []
        for name in files:
            scene = self.scene(Path(name).read_bytes(), branches)
            located = self.localizer.preprocess(scene.rgb, PROMPTS) if self.locates else None
            prepared.append(Prepared(located, self.views(scene, branches)))
        return prepared

    def alone_ms(self, file: str, branches: Sequence[str]) -> dict[str, float]:
        """Medians of each step of one picture by itself: decode, prepare (what is resized for both models)."""
        data = Path(file).read_bytes()
        scene = self.scene(data, branches)
        steps: dict[str, Callable[[], object]] = {
            "decode": lambda: decode(data, self.limits),
            "prepare_localizer": lambda: self.localizer.preprocess(scene.rgb, PROMPTS),
            "prepare_views": lambda: self.views(scene, branches),
        }
        return {name: median_ms(step) for name, step in steps.items()}


def median_ms(step: Callable[[], object], times: int = TIMES) -> float:
    """Median time of a step, after one for warming up."""
    step()
    return percentile([timed_ms(step)[0] for _ in range(times)], 50)


def timed_ms(step: Callable[[], Result]) -> tuple[float, Result]:
    begin_s = time.perf_counter()
    result = step()
    return 1000 * (time.perf_counter() - begin_s), result


def _everything(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.ones(rgb.shape[:2], np.bool_)
