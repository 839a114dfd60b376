"""No localizer: every picture is answered from the full view."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.models.ports import LocatorInput, PromptSet
from service.recognition.boxes import Detection


class NoLocalizer:
    name = "none"
    revision = "none"
    default_threshold = 0.0
    reads_prompts = False
    gives_masks = False

    def check_prompts(self, prompts: PromptSet) -> None:
        pass

    def preprocess(self, rgb: NDArray[np.uint8], prompts: PromptSet) -> LocatorInput:
        height, width = rgb.shape[:2]
        return LocatorInput(np.empty((3, 0, 0), np.float32), width, height, prompts)

    def locate(self, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
        return [[] for _ in inputs]
