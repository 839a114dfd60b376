"""The service's own models, called as the plain ones are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.bench.scenes import PROMPTS
from service.models.ports import Bytes, Encoder, Floats, Localizer, LocatorInput
from service.recognition.boxes import Box
from service.recognition.views import DEFAULT_BRANCHES, FULL, VIEWS, Scene, Style


class OwnModels:
    def __init__(self, localizer: Localizer, encoder: Encoder) -> None:
        self._localizer, self._encoder = localizer, encoder

    def prepare_picture(self, rgb: NDArray[np.uint8]) -> LocatorInput:
        return self._localizer.preprocess(rgb, PROMPTS)

    def locate(self, prepared: Sequence[LocatorInput]) -> list[Box | None]:
        return [found[0].box if found else None for found in self._localizer.locate(list(prepared))]

    def prepare_views(self, rgb: NDArray[np.uint8], box: Box | None) -> Bytes:
        scene, style = Scene(rgb, box), Style(self._encoder.pad_colour)
        names = (FULL,) if box is None else DEFAULT_BRANCHES
        return np.stack([self._encoder.preprocess(VIEWS[name].make(scene, style)) for name in names])

    def embed(self, prepared: Sequence[Bytes]) -> Floats:
        return self._encoder.embed_images(np.concatenate(list(prepared)))
