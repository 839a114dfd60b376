"""The product in one readable class: locate, look, embed all views at once, score, fuse (L2R2, section 3).

Every stage is timed; the models sit behind batchers, so that many requests share their calls.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import ParamSpec, TypeVar

from service.batching import WorkerHealth
from service.datasets.records import Dataset
from service.errors import DeadlineExceeded, Overloaded
from service.images import Picture, decode
from service.models.ports import Encoder, Floats, Localizer, PromptSet, Segmenter
from service.recognition.answers import Cascade, ObjectAnswer, Recognition
from service.recognition.scoring import unit
from service.recognition.views import FG, FULL, VIEWS, Scene, Style
from service.stages.answering import Answering
from service.stages.candidates import recognize_candidates
from service.stages.locating import NOT_ASKED, Located, Locating
from service.stages.looking import Looking
from service.stages.options import Abilities, Limits, Options, Plan, plan_for, usual_branches
from service.stages.originals import in_original_pixels
from service.stages.seeing import Seeing
from service.stages.together import all_of
from service.telemetry import Occupancy, Stopwatch

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


class Recognizer:
    """One localizer, perhaps one segmenter, and one encoder, each behind a queue and a worker; decoding and resizing in
    a pool of threads."""

    def __init__(
        self, localizer: Localizer, encoder: Encoder, limits: Limits, segmenter: Segmenter | None = None
    ) -> None:
        self.localizer, self.encoder, self.segmenter, self.limits = localizer, encoder, segmenter, limits
        makes_masks = segmenter is not None or localizer.gives_masks
        self._abilities = Abilities(encoder.pad_colour, localizer.default_threshold, makes_masks)
        self._pool = ThreadPoolExecutor(limits.threads, thread_name_prefix="pictures")
        self._locating = Locating(localizer, segmenter, limits, self._pool)
        self._looking = Looking(encoder, limits, self._pool)
        self._seeing = Seeing(self._locating, self._looking, limits)
        self.occupancy = Occupancy()
        # Only so many pictures are decoded as keep the models busy: the first that came are the first to be done, and
        # the others wait as compressed bytes.
        self._decoded = asyncio.Semaphore(2 * limits.max_batch + limits.threads)

    async def recognize(self, data: bytes, dataset: Dataset, options: Options) -> Recognition:
        """The answer to an encoded picture.

        Raises:
            ImageError: the bytes are no acceptable picture.
            InvalidFields: an option that is not known or cannot be met, or a prompt the localizer cannot take.
            Overloaded, DeadlineExceeded, ModelFailed.
        """
        watch = Stopwatch()
        plan = plan_for(options, dataset, self.limits, self._abilities)
        if self.occupancy.inside >= self.limits.max_waiting:
            raise Overloaded(f"{self.occupancy.inside} pictures are being recognized or wait for it", retry_after_s=1)
        self.occupancy.enter()
        try:
            async with asyncio.timeout(self.limits.request_timeout_s), self._decoded:
                with watch.stage("decode"):
                    picture = await self._in_pool(decode, data, self.limits.image)
                answering = await self._in_pool(Answering, dataset, plan, self.encoder.logit_scale)
                if options.candidates:
                    stages = (self._locating, self._seeing, self._looking)
                    answer = await recognize_candidates(picture, plan, answering, stages, watch)
                else:
                    answer = await self._recognize(picture, plan, answering, watch)
                return in_original_pixels(answer, picture, watch)
        except TimeoutError:
            raise DeadlineExceeded(f"no answer within {self.limits.request_timeout_s:g} s") from None
        finally:
            self.occupancy.leave()

    def embed_exemplar(self, data: bytes, prompts: PromptSet) -> Floats:
        """A class's example picture as a unit vector `[D]`: the mean of its full and its fg view, for one thread.

        Raises:
            ImageError, InvalidFields, Overloaded, DeadlineExceeded, ModelFailed.
        """
        picture = decode(data, self.limits.image)
        detections = self._locating.find_now(picture, prompts)
        strong = [found for found in detections if found.score >= self.localizer.default_threshold]
        scene = Scene(picture.rgb, strong[0].box if strong else None)
        names = (FULL, FG) if strong else (FULL,)
        style = Style(self.encoder.pad_colour)
        rows = self._looking.look_now(scene, names, style, self.limits.request_timeout_s)
        mean: Floats = unit(rows.mean(axis=0))
        return mean

    @property
    def usual_branches(self) -> tuple[str, ...]:
        """Those that answer where neither the request nor the dataset names any."""
        return usual_branches(self.limits.branches, self._abilities)

    def health(self) -> Mapping[str, WorkerHealth]:
        return {**self._locating.health(), **self._looking.health()}

    def close(self, timeout_s: float | None = None) -> None:
        """Finish what was accepted and end the workers."""
        self._locating.close(timeout_s)
        self._looking.close(timeout_s)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _recognize(self, picture: Picture, plan: Plan, answering: Answering, watch: Stopwatch) -> Recognition:
        """Locate, look, answer; with a cascade, look once first and stop if that is sure."""
        looks: dict[str, Floats] = {}
        cascade = None
        first = plan.first_view
        if first == FULL:
            looks, cascade = await self._first_look(Scene(picture.rgb), FULL, plan, answering, watch)
            if cascade.stopped:
                return await self._answer(picture, NOT_ASKED, looks, plan, answering, watch, cascade)
        with watch.stage("locate"):
            located = await self._locating.locate(picture, plan)
        if plan.options.objects:
            return await self._answer_objects(picture, located, plan, answering, watch)
        if first == FG and located.best is not None:
            looks, cascade = await self._first_look(Scene(picture.rgb, located.best.box), FG, plan, answering, watch)
            if cascade.stopped:
                return await self._answer(picture, located, looks, plan, answering, watch, cascade)
        shown, views = await self._seeing.whole(picture, located.best, plan, watch, tuple(looks))
        [others] = await self._looking.embed([views], watch)
        looks = {name: {**looks, **others}[name] for name in shown}
        return await self._answer(picture, _relied_on(located, plan, shown), looks, plan, answering, watch, cascade)

    async def _first_look(
        self, scene: Scene, name: str, plan: Plan, answering: Answering, watch: Stopwatch
    ) -> tuple[dict[str, Floats], Cascade]:
        [looks] = await self._looking.embed([await self._looking.make(scene, [name], plan.style, watch)], watch)
        return looks, Cascade(name, *await self._in_pool(answering.first_is_sure, looks))

    async def _answer(
        self,
        picture: Picture,
        located: Located,
        looks: Mapping[str, Floats],
        plan: Plan,
        answering: Answering,
        watch: Stopwatch,
        cascade: Cascade | None = None,
    ) -> Recognition:
        with watch.stage("score"):
            verdict, effect = await self._in_pool(answering.answer, looks, located.box_score)
        return Recognition(
            verdict=verdict,
            fallback=None if cascade is not None and cascade.stopped else located.fallback,
            detections=located.detections,
            width=picture.width,
            height=picture.height,
            timings_ms={},
            metadata=effect,
            cascade=cascade,
            embeddings=dict(looks) if plan.options.embeddings else None,
        )

    async def _answer_objects(
        self, picture: Picture, located: Located, plan: Plan, answering: Answering, watch: Stopwatch
    ) -> Recognition:
        """The picture's own answer, and one for each object from the views made with its box, all in one batch."""
        objects = self._locating.separate_objects(located, plan) if located.best else ()
        shown, own = await self._seeing.whole(picture, located.best, plan, watch)
        same = {name for name in shown if VIEWS[name].needs_box}  # of the best box, which need not be seen twice
        others = [found for found in objects if found is not located.best or not same]
        views = await all_of(self._seeing.boxed(picture, found, plan, watch, [FG]) for found in others)
        whole, *each = await self._looking.embed([own, *views], watch)
        located = _relied_on(located, plan, shown)
        answer = await self._answer(picture, located, whole, plan, answering, watch)
        looks = {id(found): seen for found, seen in zip(others, each, strict=True)}
        best = {name: row for name, row in whole.items() if name in same}
        verdicts = [
            await self._in_pool(answering.verdict, looks.get(id(found), best), found.score, plan.box_branches)
            for found in objects
        ]
        pairs = zip(objects, verdicts, strict=True)
        return replace(answer, objects=tuple(ObjectAnswer(found, verdict) for found, verdict in pairs))

    def _in_pool(
        self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> asyncio.Future[Result]:
        return asyncio.wrap_future(self._pool.submit(work, *args, **kwargs))


def _relied_on(located: Located, plan: Plan, shown: Sequence[str]) -> Located:
    """What was located, with a fallback where there is a box, but masks were asked for and none was made."""
    missing = plan.box_branches and not any(VIEWS[name].needs_box for name in shown)
    return replace(located, fallback="no_detection") if missing and located.fallback is None else located
