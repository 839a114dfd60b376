"""The object of a picture, found by the service's models, without its queues and workers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from service.errors import FieldProblem, InvalidFields
from service.models.ports import Localizer, PromptSet, Segmenter
from service.models.weights import Progress
from service.recognition.boxes import Box, Detection
from service.recognition.views import Mask, Pixels, box_mask
from service.stages.locating import full_size

MaskSource = Literal["localizer", "segmenter", "box"]


@dataclass(frozen=True, eq=False)
class FoundObject:
    """The best detection of a picture.

    box: in pixels of the decoded picture. mask: `[H, W]`, true on the object; a finder always gives one. detections:
    all that were found, best first; none where the caller gave the box. mask_area: share of the picture that the mask
    covers. mask_source: who saw the mask; `box` for a filled box, where no model saw a shape.
    """

    box: Box
    score: float
    mask: Mask | None
    detections: tuple[Detection, ...]
    mask_area: float
    mask_source: MaskSource = "box"

    def __post_init__(self) -> None:
        if not 0.0 <= self.score <= 1.0 or not 0.0 <= self.mask_area <= 1.0:
            raise ValueError(f"score and mask_area lie in [0, 1], not {self.score} and {self.mask_area}")
        if self.mask is not None and (self.mask.ndim != 2 or self.mask.dtype != np.bool_):
            raise ValueError(f"a mask is bool [H, W], not {self.mask.dtype} {list(self.mask.shape)}")


class ObjectFinder:
    """A localizer and, if there is one, a segmenter, asked in the caller's thread.

    late_segmenter: loads one for boxes that the caller gives, where the localizer sees the masks of its own boxes.
    """

    def __init__(
        self,
        localizer: Localizer,
        segmenter: Segmenter | None = None,
        late_segmenter: Callable[[], Segmenter] | None = None,
    ) -> None:
        self.localizer, self.segmenter, self._late_segmenter = localizer, segmenter, late_segmenter

    @classmethod
    def load(cls, profile: str | None = None, progress: Progress | None = None) -> "ObjectFinder":
        """The models of a profile, by default of the settings' one; missing weights are fetched.

        Raises:
            SettingsError, WeightsError.
        """
        from service.engine import chosen_models, profile_of, weights_store
        from service.models.catalog import MODELS
        from service.models.factory import load_localizer, load_segmenter
        from service.models.hardware import choose_hardware, one_blas_thread
        from service.settings import load_settings

        settings = load_settings(profile=profile)
        localizer, _encoder, segmenter = chosen_models(settings)
        one_blas_thread()
        hardware = choose_hardware(settings.device, settings.dtype, settings.threads)
        store = weights_store(settings, progress)
        usual = None if settings.segmenter else profile_of(settings).segmenter
        return cls(
            load_localizer(localizer, store, hardware),
            load_segmenter(segmenter, store, hardware) if segmenter is not None else None,
            partial(load_segmenter, MODELS[usual], store, hardware) if usual and segmenter is None else None,
        )

    def close(self) -> None:
        """Let go of the models, so that their memory is free. The finder cannot be used afterwards."""
        del self.localizer, self.segmenter, self._late_segmenter

    def check_prompts(self, prompts: tuple[str, ...]) -> None:
        """Raises InvalidFields where the localizer cannot take them."""
        try:
            self.localizer.check_prompts(PromptSet(prompts))
        except ValueError as error:
            raise InvalidFields(FieldProblem("prompt", str(error))) from None

    def find(self, rgb: Pixels, prompts: tuple[str, ...] = (), box: Box | None = None) -> FoundObject | None:
        """The object of one picture `rgb [H, W, 3]`; None where nothing is found.

        Args:
            prompts: what to look for; none is the localizer's own habit.
            box: where the object is, in pixels of `rgb`, if that is known: then only its mask is looked for.

        Raises:
            ValueError: the localizer cannot take the prompts.
            WeightsError: a segmenter that only boxes from outside need is not to be had.
        """
        return self.find_many([rgb], prompts, None if box is None else [box])[0]

    def find_many(
        self, pictures: Sequence[Pixels], prompts: tuple[str, ...] = (), boxes: Sequence[Box] | None = None
    ) -> list[FoundObject | None]:
        """`find` for several pictures, with as few model calls as may be; entry i depends on picture i alone."""
        if boxes is None:
            located = self._locate(pictures, prompts)
        else:
            located = [[Detection(box, 1.0)] for box in boxes]
            if self.segmenter is None and self._late_segmenter is not None:
                self.segmenter = self._late_segmenter()
        wanted = [(rgb, found[0]) for rgb, found in zip(pictures, located, strict=True) if found]
        masks = iter(self._masks(wanted))
        objects: list[FoundObject | None] = []
        for found in located:
            if not found:
                objects.append(None)
                continue
            mask, source = next(masks)
            kept = tuple(found) if boxes is None else ()
            objects.append(FoundObject(found[0].box, found[0].score, mask, kept, float(mask.mean()), source))
        return objects

    def _locate(self, pictures: Sequence[Pixels], prompts: tuple[str, ...]) -> list[list[Detection]]:
        asked = PromptSet(prompts)
        self.localizer.check_prompts(asked)
        return self.localizer.locate([self.localizer.preprocess(rgb, asked) for rgb in pictures])

    def _masks(self, wanted: Sequence[tuple[Pixels, Detection]]) -> list[tuple[Mask, MaskSource]]:
        """For each the first mask with a pixel inside: the localizer's, the segmenter's, the filled box."""
        seen = {place: full_size(top, rgb) for place, (rgb, top) in enumerate(wanted) if top.mask is not None}
        missing = [place for place in range(len(wanted)) if place not in seen or not seen[place].any()]
        segmented: dict[int, Mask] = {}
        if self.segmenter is not None and missing:
            inputs = [self.segmenter.preprocess(rgb, top.box) for rgb, top in (wanted[place] for place in missing)]
            segmented = dict(zip(missing, self.segmenter.segment(inputs), strict=True))
        masks: list[tuple[Mask, MaskSource]] = []
        for place, (rgb, top) in enumerate(wanted):
            if place not in missing:
                masks.append((seen[place], "localizer"))
            elif place in segmented and segmented[place].any():
                masks.append((segmented[place], "segmenter"))
            else:
                masks.append((box_mask(rgb, top.box), "box"))
        return masks
