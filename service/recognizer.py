"""The product in one readable class: locate, look twice, embed both views at once, score, fuse (L2R2, section 3).

Every stage is timed; the models sit behind batchers, so that many requests share their calls.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.batching import Batcher, WorkerHealth
from service.datasets.records import Dataset
from service.errors import DeadlineExceeded, FieldProblem, InvalidFields, Overloaded
from service.images import DEFAULT_LIMITS, ImageLimits, Picture, decode
from service.models.ports import Encoder, Floats, Localizer, LocatorInput, PromptSet
from service.recognition.answers import Fallback, Recognition, best_scores, branch_of
from service.recognition.boxes import Detection
from service.recognition.fusion import FUSIONS
from service.recognition.scoring import class_logits, softmax
from service.recognition.views import BRANCHES, FG, FULL, foreground
from service.telemetry import Stopwatch

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


@dataclass(frozen=True)
class Limits:
    """Bounds and defaults of one recognizer; times in seconds, `box_margin` as a part of the box's size."""

    image: ImageLimits = DEFAULT_LIMITS
    box_threshold: float | None = None
    box_margin: float = 0.0
    locate_timeout_s: float = 30.0
    request_timeout_s: float = 60.0
    max_batch: int = 16
    max_waiting: int = 256
    threads: int = 2


@dataclass(frozen=True)
class Options:
    """What one request asks for; None leaves it to the dataset."""

    top_k: int = 5
    fusion: str | None = None
    branches: tuple[str, ...] = BRANCHES
    localizer_prompt: str | None = None


@dataclass(frozen=True)
class Located:
    """The detections in pixels of the decoded array, best first, and why the best is not to be used, if so."""

    detections: tuple[Detection, ...] = ()
    fallback: Fallback | None = None


class Recognizer:
    """One localizer and one encoder, each behind a queue and a worker; decoding and resizing in a pool of threads."""

    def __init__(self, localizer: Localizer, encoder: Encoder, limits: Limits) -> None:
        self.localizer, self.encoder, self.limits = localizer, encoder, limits
        bounds = {"max_batch": limits.max_batch, "max_waiting": limits.max_waiting}
        self._locating: Batcher[LocatorInput, list[Detection]] = Batcher("localizer", localizer.locate, **bounds)
        self._embedding: Batcher[Floats, Floats] = Batcher("encoder", self._embed_views, **bounds)
        self._pool = ThreadPoolExecutor(limits.threads, thread_name_prefix="pictures")
        self._inside = 0
        # Only so many pictures are decoded as keep the models busy: the first that came are the first to be done, and
        # the others wait as compressed bytes.
        self._decoded = asyncio.Semaphore(2 * limits.max_batch + limits.threads)

    async def recognize(self, data: bytes, dataset: Dataset, options: Options) -> Recognition:
        """The answer to an encoded picture.

        Raises:
            ImageError: the bytes are no acceptable picture.
            InvalidFields: the localizer cannot take the prompt.
            Overloaded, DeadlineExceeded, ModelFailed.
        """
        watch = Stopwatch()
        if self._inside >= self.limits.max_waiting:
            raise Overloaded(f"{self._inside} pictures are being recognized or wait for it", retry_after_s=1)
        self._inside += 1
        try:
            async with asyncio.timeout(self.limits.request_timeout_s), self._decoded:
                with watch.stage("decode"):
                    picture = await self._in_pool(decode, data, self.limits.image)
                with watch.stage("locate"):
                    located = await self._locate(picture, dataset, options)
                with watch.stage("views"):
                    names, pixels = await self._in_pool(self._views, picture, located, dataset, options)
                with watch.stage("embed"):
                    embeddings = await asyncio.wrap_future(self._embedding.submit(pixels))
                views = dict(zip(names, embeddings, strict=True))
                return await self._in_pool(self._answer, picture, located, views, dataset, options, watch)
        except TimeoutError:
            raise DeadlineExceeded(f"no answer within {self.limits.request_timeout_s:g} s") from None
        finally:
            self._inside -= 1

    def health(self) -> Mapping[str, WorkerHealth]:
        return {worker.name: worker.health() for worker in (self._locating, self._embedding)}

    def close(self, timeout_s: float | None = None) -> None:
        """Finish what was accepted and end the workers."""
        self._locating.close(timeout_s)
        self._embedding.close(timeout_s)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _locate(self, picture: Picture, dataset: Dataset, options: Options) -> Located:
        """Section 3.1; the fallback of its last paragraph when there is no box, or none to be relied on."""
        if FG not in options.branches or self.localizer.name == "none":
            return Located(fallback="disabled")
        prompts, field = dataset.spec.prompt_set, "localizer_prompts"
        if options.localizer_prompt is not None:
            prompts, field = PromptSet((options.localizer_prompt,)), "localizer_prompt"
        prepared = await self._in_pool(self._prepare, picture, prompts, field)
        try:
            waiting = asyncio.wrap_future(self._locating.submit(prepared))
            detections = await asyncio.wait_for(waiting, self.limits.locate_timeout_s)
        except TimeoutError:
            return Located(fallback="timeout")
        if not detections:
            return Located(fallback="no_detection")
        weak = detections[0].score < self._threshold(dataset)
        return Located(tuple(detections), "low_score" if weak else None)

    def _prepare(self, picture: Picture, prompts: PromptSet, field: str) -> LocatorInput:
        try:
            self.localizer.check_prompts(prompts)
        except ValueError as error:
            raise InvalidFields(FieldProblem(field, str(error))) from None
        return self.localizer.preprocess(picture.rgb, prompts)

    def _threshold(self, dataset: Dataset) -> float:
        for threshold in (dataset.spec.box_threshold, self.limits.box_threshold):
            if threshold is not None:
                return threshold
        return self.localizer.default_threshold

    def _views(
        self, picture: Picture, located: Located, dataset: Dataset, options: Options
    ) -> tuple[list[str], Floats]:
        """The branches to be asked and their views `[V, 3, S, S]`; the full view alone when there is a fallback."""
        names = [FULL] if located.fallback else [name for name in BRANCHES if name in options.branches]
        margin = self.limits.box_margin if dataset.spec.box_margin is None else dataset.spec.box_margin
        views: dict[str, NDArray[np.uint8]] = {FULL: picture.rgb}
        if FG in names:
            views[FG] = foreground(picture.rgb, located.detections[0].box, self.encoder.pad_colour, margin)
        return names, np.stack([self.encoder.preprocess(views[name]) for name in names])

    def _embed_views(self, pictures: Sequence[Floats]) -> list[Floats]:
        """One model call for all views of all pictures; `[V, D]` for each picture's `[V, 3, S, S]`."""
        rows = self.encoder.embed_images(np.concatenate(pictures))
        ends = np.cumsum([len(views) for views in pictures])
        return np.split(rows, ends[:-1])

    def _answer(
        self,
        picture: Picture,
        located: Located,
        views: Mapping[str, Floats],
        dataset: Dataset,
        options: Options,
        watch: Stopwatch,
    ) -> Recognition:
        """Sections 3.2 and 3.3: probabilities of each view over the classes, then the fusion."""
        with watch.stage("score"):
            logits = class_logits(np.stack(list(views.values())), dataset.prototypes, self.encoder.logit_scale)
            probabilities = dict(zip(views, softmax(logits), strict=True))
            fused = FUSIONS[options.fusion or dataset.spec.fusion](probabilities)
            scores = best_scores(fused.probabilities, dataset.labels, options.top_k)
            tops = {name: best_scores(rows, dataset.labels, options.top_k) for name, rows in probabilities.items()}
            branches = {name: branch_of(tops[name]) if name in tops else None for name in BRANCHES}
        return Recognition(
            label=scores[0].label,
            confidence=scores[0].confidence,
            branch=fused.branch,
            fallback=located.fallback,
            detections=tuple(detection.scaled(*picture.scale) for detection in located.detections),
            scores=scores,
            branches=branches,
            width=picture.width,
            height=picture.height,
            timings_ms=watch.read_ms(),
        )

    def _in_pool(
        self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> asyncio.Future[Result]:
        return asyncio.wrap_future(self._pool.submit(work, *args, **kwargs))
