"""Where the object is, and which pixels are its own (L2R2, section 3.1)."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.batch_record import WorkerHealth
from service.batching import Batcher
from service.errors import DeadlineExceeded, FieldProblem, InvalidFields
from service.images import Picture
from service.models.ports import Localizer, LocatorInput, PromptSet, Segmenter, SegmenterInput, lanes_of
from service.recognition.answers import Fallback, box_score
from service.recognition.boxes import Detection, outward_pixels, without_duplicates
from service.stages.options import Limits, Plan
from service.stages.photograph import Photograph
from service.stages.pieces import BoxesOf, packed, unpacked
from service.stages.together import all_of, done_in
from service.turns import Turns

Mask = NDArray[np.bool_]
INSIDE = 127  # levels of a mask above it are the object


@dataclass(frozen=True)
class Located:
    """The detections in pixels of the decoded array, best first, and why the best is not to be used, if so."""

    detections: tuple[Detection, ...] = ()
    fallback: Fallback | None = None

    @property
    def best(self) -> Detection | None:
        """The detection to be used."""
        return None if self.fallback else self.detections[0]

    @property
    def box_score(self) -> float | None:
        return box_score(self.fallback, self.detections[0].score if self.detections else None)


NOT_ASKED = Located(fallback="disabled")


class Locating:
    """A localizer and, if there is one, a segmenter, each behind a queue and a worker."""

    def __init__(
        self,
        localizer: Localizer,
        segmenter: Segmenter | None,
        limits: Limits,
        pool: ThreadPoolExecutor,
        turn: Turns | None = None,
    ) -> None:
        self._localizer, self._segmenter, self._limits, self._pool = localizer, segmenter, limits, pool
        boxes, masks, most = limits.max_batch.localizer, limits.max_batch.segmenter, limits.max_waiting
        # A picture may need many boxes and masks: what it cannot get at once waits here, and crowds nobody out.
        self._box_places, self._mask_places = (asyncio.Semaphore(most) for _ in range(2))
        self._boxes: Batcher[LocatorInput, list[Detection]] = Batcher(
            "localizer", localizer.locate, max_batch=boxes, max_waiting=most, turn=turn, lanes=lanes_of(localizer)
        )
        self._masks: Batcher[SegmenterInput, Mask] | None = None
        if segmenter is not None:
            self._masks = Batcher(
                "segmenter", segmenter.segment, max_batch=masks, max_waiting=most, turn=turn, lanes=lanes_of(segmenter)
            )

    def health(self) -> Mapping[str, WorkerHealth]:
        workers = [worker for worker in (self._boxes, self._masks) if worker is not None]
        return {worker.name: worker.health() for worker in workers}

    def close(self, timeout_s: float | None = None) -> bool:
        """As `Batcher.close`."""
        ended = [worker.close(timeout_s) for worker in (self._boxes, self._masks) if worker is not None]
        return all(ended)

    async def locate(self, photo: Photograph, plan: Plan) -> Located:
        """The plan's prompts in the picture; the fallback of section 3.1 when there is no box to be relied on.

        Raises:
            InvalidFields: the localizer cannot take the prompts.
        """
        if not plan.box_branches:
            return NOT_ASKED
        return await self._locate(photo, plan.prompts, plan.prompt_field, plan.box_threshold)

    async def _locate(self, photo: Photograph, prompts: PromptSet, field: str, threshold: float) -> Located:
        if self._localizer.name == "none":
            return NOT_ASKED
        try:
            detections = await self.find(photo, prompts, field)
        except TimeoutError:
            return Located(fallback="timeout")
        if not detections:
            return Located(fallback="no_detection")
        weak = detections[0].score < threshold
        return Located(tuple(detections), "low_score" if weak else None)

    async def find(self, photo: Photograph, prompts: PromptSet, field: str) -> Sequence[Detection]:
        """All detections, best first. Raises InvalidFields naming `field`, TimeoutError."""
        known = photo.recall(self._boxes_of(prompts))
        if known is not None:
            return await done_in(self._pool, unpacked, known)
        picture = await photo.picture()
        with photo.watch.stage("locate"):
            async with asyncio.timeout(self._limits.locate_timeout_s), self._box_places:
                prepared = await done_in(self._pool, self._prepare, picture, prompts, field)
                found = await asyncio.wrap_future(self._boxes.submit(prepared))
            if photo.is_remembered:
                photo.keep_when_done(self._boxes_of(prompts), done_in(self._pool, packed, found))
        return found

    def find_now(self, photo: Photograph, prompts: PromptSet) -> Sequence[Detection]:
        """All detections, best first, for callers without an event loop. Raises InvalidFields, DeadlineExceeded."""
        known = photo.recall(self._boxes_of(prompts))
        if known is not None:
            return unpacked(known)
        waiting = self._boxes.submit(self._prepare(photo.picture_now(), prompts, "localizer_prompts"))
        try:
            found = waiting.result(self._limits.locate_timeout_s)
        except TimeoutError:
            waiting.cancel()
            raise DeadlineExceeded(f"no box within {self._limits.locate_timeout_s:g} s") from None
        if photo.is_remembered:
            photo.keep(self._boxes_of(prompts), packed(found))
        return found

    async def find_candidates(self, photo: Photograph, labels: Sequence[str], plan: Plan) -> list[Located]:
        """What each label finds as a prompt; of a localizer that reads no prompts one finding for all of them.

        Raises:
            InvalidFields: the localizer cannot take a label.
        """
        if not self._localizer.reads_prompts:
            return [await self._locate(photo, plan.prompts, plan.prompt_field, plan.box_threshold)]
        works = (self._locate(photo, PromptSet((label,)), "candidates", plan.box_threshold) for label in labels)
        return await all_of(works)

    def separate_objects(self, located: Located, plan: Plan) -> tuple[Detection, ...]:
        """The `plan.options.objects` best detections that do not overlap better ones much; a group of objects counts as
        one where none of its own is sure enough."""
        sure = [found for found in located.detections if found.score >= plan.box_threshold]
        strong = [found for found in sure if not found.is_group] or sure
        return tuple(without_duplicates(strong, self._limits.object_overlap)[: plan.options.objects])

    async def drawn_mask(self, photo: Photograph, picture: Picture, found: Detection) -> Mask | None:
        """The mask `[H, W]` that the segmenter makes of what was found; None where it has one of its own, where there
        is no segmenter, and for one not made in time."""
        if found.mask is not None or self._masks is None or self._segmenter is None:
            return None
        with photo.watch.stage("locate"):
            try:
                async with asyncio.timeout(self._limits.locate_timeout_s), self._mask_places:
                    prepared = await done_in(self._pool, self._segmenter.preprocess, picture.rgb, found.box)
                    return await asyncio.wrap_future(self._masks.submit(prepared))
            except TimeoutError:
                return None

    def _boxes_of(self, prompts: PromptSet) -> BoxesOf:
        return BoxesOf(prompts if self._localizer.reads_prompts else PromptSet())

    def _prepare(self, picture: Picture, prompts: PromptSet, field: str) -> LocatorInput:
        try:
            self._localizer.check_prompts(prompts)
        except ValueError as error:
            raise InvalidFields(FieldProblem(field, str(error))) from None
        return self._localizer.preprocess(picture.rgb, prompts)


def full_size(detection: Detection, rgb: NDArray[np.uint8]) -> Mask:
    """A detection's own mask at the picture's size `[H, W]`, nothing outside its box."""
    height, width = rgb.shape[:2]
    assert detection.mask is not None
    rows, columns = detection.mask.shape
    x0, y0, x1, y1 = outward_pixels(detection.box, width, height)
    seen = (x0 * columns / width, y0 * rows / height, x1 * columns / width, y1 * rows / height)
    levels = Image.fromarray(detection.mask).resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR, box=seen)
    inside = np.zeros((height, width), np.bool_)
    inside[y0:y1, x0:x1] = np.asarray(levels) > INSIDE
    return inside
