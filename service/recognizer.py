"""The product in one readable class: locate, look, embed all views at once, score, fuse (L2R2, section 3).

Every stage is timed; the models sit behind batchers, so that many requests share their calls. What is known of a
photograph, from earlier requests too, is neither decoded for nor computed again.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from service.batch_record import WorkerHealth
from service.datasets.records import Dataset
from service.errors import DeadlineExceeded
from service.images import Decode
from service.lines import filled_pool
from service.models.ports import Encoder, Floats, Localizer, PromptSet, Segmenter
from service.recognition.answers import Cascade, ObjectAnswer, Recognition
from service.recognition.scoring import unit
from service.recognition.views import FG, FULL, VIEWS, Style
from service.stages.admission import Admission, Place
from service.stages.answering import FEW_CLASSES, Answering
from service.stages.candidates import recognize_candidates
from service.stages.locating import NOT_ASKED, Located, Locating
from service.stages.looking import Looking
from service.stages.memory import Memory, MemoryState
from service.stages.options import Abilities, Limits, Options, Plan, plan_for, usual_branches
from service.stages.originals import in_original_pixels
from service.stages.photograph import Decoding, Photograph
from service.stages.seeing import Seeing, Sight, relied_on, whole_sight
from service.stages.together import all_of, done_here_or_in, done_in
from service.telemetry import Stopwatch
from service.turns import Turns


class Recognizer:
    """One localizer, perhaps one segmenter, and one encoder, each behind a queue and a worker; resizing, and decoding
    unless that is done `elsewhere`, in a pool of threads."""

    def __init__(
        self,
        localizer: Localizer,
        encoder: Encoder,
        limits: Limits,
        segmenter: Segmenter | None = None,
        elsewhere: Decode | None = None,
    ) -> None:
        self.localizer, self.encoder, self.segmenter, self.limits = localizer, encoder, segmenter, limits
        makes_masks = segmenter is not None or localizer.gives_masks
        self._abilities = Abilities(encoder.pad_colour, localizer.default_threshold, makes_masks)
        self._pool = filled_pool(limits.threads, "pictures")
        models = [model for model in (localizer, segmenter, encoder) if model is not None]
        self._memory = Memory(limits.memory_bytes, [f"{model.name} {model.revision}" for model in models])
        self.turn = None if limits.overlap else Turns(limits.locate_timeout_s, limits.threads)
        self._decoding = Decoding(self._memory, limits, self._pool, elsewhere, self.turn)
        self._locating = Locating(localizer, segmenter, limits, self._pool, self.turn)
        self._looking = Looking(encoder, limits, self.turn)
        self._seeing = Seeing(self._locating, self._looking, limits, self._pool)
        self.admission = Admission(limits.max_waiting)

    async def recognize(self, data: bytes, dataset: Dataset, options: Options, at: Place | None = None) -> Recognition:
        """The answer to an encoded picture, in the place that it was given, or any.

        Raises:
            ImageError: the bytes are no acceptable picture.
            InvalidFields: an option that is not known or cannot be met, or a prompt the localizer cannot take.
            Overloaded, DeadlineExceeded, ModelFailed.
        """
        watch = Stopwatch()
        plan = plan_for(options, dataset, self.limits, self._abilities)
        place = at or self.admission.patient_place(self.limits.request_timeout_s)
        try:
            opened = self._decoding.opened(data, watch, own=place.is_own)
            async with asyncio.timeout(place.left_s), opened as photo:
                place.begin()
                few = len(dataset.labels) <= FEW_CLASSES
                answering = await done_here_or_in(self._pool, few, Answering, dataset, plan, self.encoder.logit_scale)
                if options.candidates:
                    answer = await recognize_candidates(photo, plan, answering, self._locating, self._seeing)
                else:
                    answer = await self._recognize(photo, plan, answering)
                answer = in_original_pixels(answer, photo)
                place.leave(worked=not answer.cached)
                return answer
        except TimeoutError:
            raise DeadlineExceeded(f"no answer within {place.timeout_s:g} s") from None
        finally:
            place.leave()

    def embed_exemplar(self, data: bytes, prompts: PromptSet) -> Floats:
        """A class's example picture as a unit vector `[D]`: the mean of its full and its fg view, for one thread.

        Raises ImageError, InvalidFields, Overloaded, DeadlineExceeded, ModelFailed.
        """
        photo = self._decoding.opened_now(data)
        detections = self._locating.find_now(photo, prompts)
        strong = [found for found in detections if found.score >= self.localizer.default_threshold]
        sight = Sight(strong[0], (FULL, FG)) if strong else Sight(None, (FULL,))
        looks = self._seeing.look_now(photo, sight, Style(self.encoder.pad_colour), self.limits.request_timeout_s)
        return unit(np.mean(list(looks.values()), axis=0))

    @property
    def usual_branches(self) -> tuple[str, ...]:
        """Those that answer where neither the request nor the dataset names any."""
        return usual_branches(self.limits.branches, self._abilities)

    def health(self) -> Mapping[str, WorkerHealth]:
        return {**self._locating.health(), **self._looking.health()}

    def memory(self) -> MemoryState:
        """How much is known of pictures seen before, and how often that was of use."""
        return self._memory.state()

    def forget(self) -> None:
        """What is known of pictures seen before."""
        self._memory.forget()

    def close(self, timeout_s: float | None = None) -> bool:
        """Finish what was accepted and end the workers; false if one did not end within `timeout_s` of its own."""
        ended = [self._locating.close(timeout_s), self._looking.close(timeout_s)]
        self._decoding.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        return all(ended)

    async def _recognize(self, photo: Photograph, plan: Plan, answering: Answering) -> Recognition:
        """Locate, look, answer; with a cascade, look once first and stop if that is sure."""
        cascade = None
        first = plan.first_view
        if first == FULL:
            looks, cascade = await self._first_look(photo, Sight(None, (FULL,)), plan, answering)
            if cascade.stopped:
                return await self._answer(photo, NOT_ASKED, looks, plan, answering, cascade)
        located = await self._located(photo, plan)
        if plan.options.objects:
            return await self._answer_objects(photo, located, plan, answering)
        if first == FG and located.best is not None:
            looks, cascade = await self._first_look(photo, Sight(located.best, (FG,)), plan, answering)
            if cascade.stopped:
                return await self._answer(photo, located, looks, plan, answering, cascade)
        [looks] = await self._seeing.look(photo, [whole_sight(located, plan)], plan.style)
        return await self._answer(photo, relied_on(located, plan, looks), looks, plan, answering, cascade)

    async def _located(self, photo: Photograph, plan: Plan) -> Located:
        """What is located; meanwhile a large full view is made, or, where the models do not take turns, looked at."""
        works: list[Coroutine[Any, Any, object]] = [self._locating.locate(photo, plan)]
        if plan.first_view is None and FULL in plan.branches and plan.box_branches:
            look = self._seeing.look if self.limits.overlap else self._seeing.make_ready
            works.append(look(photo, [Sight(None, (FULL,))], plan.style))
        return cast(Located, (await all_of(works))[0])

    async def _first_look(
        self, photo: Photograph, sight: Sight, plan: Plan, answering: Answering
    ) -> tuple[dict[str, Floats], Cascade]:
        [looks] = await self._seeing.look(photo, [sight], plan.style)
        return looks, Cascade(sight.names[0], *await done_in(self._pool, answering.first_is_sure, looks))

    async def _answer(
        self,
        photo: Photograph,
        located: Located,
        looks: Mapping[str, Floats],
        plan: Plan,
        answering: Answering,
        cascade: Cascade | None = None,
    ) -> Recognition:
        with photo.watch.stage("score"):
            verdict, effect = await done_in(self._pool, answering.answer, looks, located.box_score, cascade)
        return Recognition(
            verdict=verdict,
            fallback=None if cascade is not None and cascade.stopped else located.fallback,
            detections=located.detections,
            width=photo.frame.width,
            height=photo.frame.height,
            timings_ms={},
            metadata=effect,
            cascade=cascade,
            embeddings=dict(looks) if plan.options.embeddings else None,
        )

    async def _answer_objects(
        self, photo: Photograph, located: Located, plan: Plan, answering: Answering
    ) -> Recognition:
        """The picture's own answer, and one for each object from the views made with its box, all in one batch."""
        objects = self._locating.separate_objects(located, plan) if located.best else ()
        others = [found for found in objects if found is not located.best]
        sights = [Sight(found, plan.box_branches, instead=(FG,)) for found in others]
        whole, *each = await self._seeing.look(photo, [whole_sight(located, plan), *sights], plan.style)
        own = {name: row for name, row in whole.items() if VIEWS[name].needs_box}  # of the best box
        if located.best in objects and not own:
            [own] = await self._seeing.look(photo, [Sight(located.best, (FG,))], plan.style)
        answer = await self._answer(photo, relied_on(located, plan, whole), whole, plan, answering)
        looks = {id(found): seen for found, seen in zip(others, each, strict=True)}
        verdicts = [
            await done_in(self._pool, answering.verdict, looks.get(id(found), own), found.score, plan.box_branches)
            for found in objects
        ]
        pairs = zip(objects, verdicts, strict=True)
        return replace(answer, objects=tuple(ObjectAnswer(found, verdict) for found, verdict in pairs))
