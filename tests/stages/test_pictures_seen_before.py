"""The same picture again: what is known of it is not found out twice, and the answer is the same."""

import asyncio
import io
import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from fakes import (
    COLOURS,
    WAIT_S,
    ColourEncoder,
    FakeLocalizer,
    FakeSegmenter,
    Start,
    always,
    by_colour,
    dataset_of,
    picture_of,
    until,
)
from PIL import Image

from service.errors import ImageTooLarge, InvalidFields, ModelFailed
from service.images import ImageLimits
from service.models.batch_size import BatchSizes
from service.models.ports import LocatorInput, PromptSet, SegmenterInput
from service.recognition.answers import Recognition
from service.recognition.boxes import Box, Detection
from service.recognition.fusion import FUSIONS
from service.recognition.priors import Prior
from service.recognition.views import VIEWS
from service.recognizer import Recognizer
from service.stages.memory import Lookups
from service.stages.options import Options

pytestmark = pytest.mark.anyio
PATCH = (4, 4, 12, 12)
ON_GREEN = picture_of("green", ("red", PATCH))
RED = dataset_of(localizer_prompts=("red",))
KEPT = {"memory_bytes": 2**20}
EVERY_VIEW = tuple(VIEWS)
WITH_MASK = ("full", "fg", "fg_mask")


class Models:
    """A recognizer that keeps what it knows, its models, and how often these have run."""

    def __init__(self, start: Start, localizer: FakeLocalizer | None = None, **limits: object) -> None:
        self.localizer = localizer or FakeLocalizer(by_colour)
        self.encoder, self.segmenter = ColourEncoder(), FakeSegmenter()
        limits = {**KEPT, **limits}
        self.recognizer: Recognizer = start(self.localizer, self.encoder, self.segmenter, **limits)

    def ran(self) -> tuple[int, int, int]:
        """Boxes looked for, masks made, views embedded."""
        return len(self.localizer.asked), len(self.segmenter.boxes), sum(self.encoder.batches)

    async def ask(self, options: Options, data: bytes = ON_GREEN, **fields: object) -> tuple[Recognition, list[int]]:
        """The answer, and how often each model ran for it."""
        before = self.ran()
        answer = await self.recognizer.recognize(data, dataset_of(**{"localizer_prompts": ("red",), **fields}), options)
        return answer, [now - then for now, then in zip(self.ran(), before, strict=True)]


def same(one: Recognition, other: Recognition) -> bool:
    """To the last bit, but for times and where it was known from."""
    for answer in (one, other):
        assert answer.embeddings is not None
    alike = all(
        row.tobytes() == (other.embeddings or {})[name].tobytes() for name, row in (one.embeddings or {}).items()
    )
    plain = [replace(answer, timings_ms={}, cached=False, embeddings=None) for answer in (one, other)]
    return alike and plain[0] == plain[1] and list(one.embeddings or {}) == list(other.embeddings or {})


WAYS = {
    "usual": Options(),
    "every view": Options(branches=EVERY_VIEW),
    "full alone": Options(branches=("full",)),
    "crop alone": Options(branches=("fg",)),
    "objects": Options(objects=3, branches=WITH_MASK, localizer_prompt="red"),
    "candidates": Options(candidates=3, branches=WITH_MASK),
    "cascade that stops": Options(cascade=0.0),
    "cascade that goes on": Options(cascade=1.0, branches=WITH_MASK),
    "cascade of the crop": Options(cascade=1.0, cascade_first="fg"),
    "nothing found": Options(localizer_prompt="grey", branches=WITH_MASK),
    "too weak": Options(box_threshold=1.0, localizer_prompt="green"),
}


@pytest.mark.parametrize("way", WAYS)
async def test_the_same_request_again_runs_no_model_and_gets_the_same_answer(start: Start, way: str) -> None:
    models = Models(start)
    options = replace(WAYS[way], embeddings=True)
    first, ran = await models.ask(options)
    assert sum(ran) > 0
    assert not first.cached
    again, ran = await models.ask(options)
    assert ran == [0, 0, 0]
    assert again.cached
    assert same(first, again)
    assert set(first.timings_ms) >= {"decode", "embed", "score", "total"}
    assert set(again.timings_ms) == {"score", "total"}
    cold, _ = await Models(start, memory_bytes=0).ask(options)
    assert same(cold, again)


ASKED_ELSE = [
    *(Options(fusion=name) for name, fusion in FUSIONS.items() if fusion.needs is None),
    Options(top_k=1),
    Options(box_threshold=0.9),
    Options(abstain_below=0.999),
    Options(metadata={"place": "sea"}),
    Options(branches=("full",)),
    Options(branches=("fg",)),
    Options(cascade=0.5),
    Options(objects=1),
    Options(blur=0.3, wide_margin=0.9),
]


@pytest.mark.parametrize("options", ASKED_ELSE)
async def test_what_needs_nothing_new_of_the_picture_runs_no_model(start: Start, options: Options) -> None:
    prior = Prior("probabilities", {"sea": {"blue": 1.0}})
    models = Models(start)
    await models.ask(Options())
    options = replace(options, embeddings=True)
    answer, ran = await models.ask(options, priors={"place": prior})
    assert ran == [0, 0, 0]
    cold, _ = await Models(start, memory_bytes=0).ask(options, priors={"place": prior})
    assert same(answer, cold)


async def test_another_dataset_runs_no_model(start: Start) -> None:
    models = Models(start)
    await models.ask(Options())
    other = dataset_of("blue", "green", localizer_prompts=("red",), fusion="average")
    before = models.ran()
    answer = await models.recognizer.recognize(ON_GREEN, other, Options())
    assert models.ran() == before
    assert answer.cached
    assert answer.label == "green"


BESIDES = [
    (Options(localizer_prompt="green", branches=WITH_MASK), [1, 1, 2]),  # another box: its crop, masked or not
    (Options(box_margin=0.5, branches=WITH_MASK), [0, 1, 2]),
    (Options(pad_colour="white", branches=WITH_MASK), [0, 1, 2]),
    (Options(branches=("full", "fg", "fg_margin")), [0, 0, 1]),
    (Options(branches=("full", "fg", "full_blur")), [0, 1, 1]),
    (Options(branches=("full", "center_crop")), [0, 0, 1]),
    (Options(objects=2, branches=WITH_MASK), [0, 0, 0]),
    (Options(candidates=2, branches=("full", "fg")), [1, 0, 1]),  # red is known, green is looked for
]


@pytest.mark.parametrize(("options", "expected"), BESIDES)
async def test_what_is_asked_besides_costs_what_is_missing(start: Start, options: Options, expected: list[int]) -> None:
    models = Models(start)
    await models.ask(Options(branches=WITH_MASK))
    options = replace(options, embeddings=True)
    answer, ran = await models.ask(options)
    assert ran == expected
    assert answer.cached == (ran == [0, 0, 0])
    cold, _ = await Models(start, memory_bytes=0).ask(options)
    assert same(answer, cold)


async def test_a_known_picture_is_decoded_only_when_its_pixels_are_needed(start: Start) -> None:
    models = Models(start)
    await models.ask(Options())
    answer, _ = await models.ask(Options())
    assert "decode" not in answer.timings_ms
    answer, _ = await models.ask(Options(box_margin=0.5))
    assert "decode" in answer.timings_ms
    assert "locate" not in answer.timings_ms


async def test_the_size_of_a_picture_that_is_decoded_reduced_is_known_too(start: Start) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (2049, 2304), COLOURS["green"]).save(buffer, "JPEG")
    limits = ImageLimits(working_pixels=1000)
    models = Models(start, FakeLocalizer(always(Detection(Box(0, 0, 30, 40), 0.9))), image=limits)
    first, _ = await models.ask(Options(objects=1), buffer.getvalue())
    again, _ = await models.ask(Options(objects=1), buffer.getvalue())
    assert again.cached
    assert (again.width, again.height) == (2049, 2304)
    assert again.detections[0].box.y1 == 80
    assert (again.detections, again.objects) == (first.detections, first.objects)


async def test_an_empty_mask_is_known_to_be_empty(start: Start) -> None:
    models = Models(start)
    models.segmenter.empty = True
    first, ran = await models.ask(Options(branches=("full", "fg_mask"), embeddings=True))
    assert ran == [1, 1, 1]
    assert first.fallback == "no_detection"
    again, ran = await models.ask(Options(branches=("full", "fg_mask"), embeddings=True))
    assert ran == [0, 0, 0]
    assert same(first, again)


async def test_the_localizers_own_masks_are_known_and_told_apart_though_their_boxes_are_equal(start: Start) -> None:
    levels = {"red": np.full((4, 4), 255, np.uint8), "green": np.eye(4, dtype=np.uint8) * 255}

    def find(entry: LocatorInput) -> list[Detection]:
        return [Detection(Box(*PATCH), 0.9, mask=levels[prompt]) for prompt in entry.prompts.prompts]

    models = Models(start, FakeLocalizer(find, gives_masks=True))
    options = Options(branches=WITH_MASK, embeddings=True)
    first, ran = await models.ask(options)
    assert ran == [1, 0, 3]
    again, ran = await models.ask(options)
    assert ran == [0, 0, 0]
    assert same(first, again)
    other, ran = await models.ask(replace(options, localizer_prompt="green"))
    assert ran == [1, 0, 1]  # the crop is the same, its mask is not
    wider, ran = await models.ask(replace(options, box_margin=0.5))
    assert ran == [0, 0, 2]
    for answer, asked in ((other, {"localizer_prompt": "green"}), (wider, {"box_margin": 0.5})):
        cold, _ = await Models(start, FakeLocalizer(find, gives_masks=True), memory_bytes=0).ask(
            replace(options, **asked)
        )
        assert same(answer, cold)


async def test_prompts_make_no_difference_to_a_localizer_that_reads_none(start: Start) -> None:
    localizer = FakeLocalizer(always(Detection(Box(*PATCH), 0.9)), reads_prompts=False)
    models = Models(start, localizer)
    await models.ask(Options())
    _, ran = await models.ask(Options(localizer_prompt="green"))
    assert ran == [0, 0, 0]


async def test_prompts_that_cannot_be_taken_are_refused_for_a_known_picture_too(start: Start) -> None:
    models = Models(start)
    await models.ask(Options())
    for _ in range(2):
        with pytest.raises(InvalidFields, match="localizer_prompt"):
            await models.ask(Options(localizer_prompt="too long"))


async def test_a_box_that_came_too_late_is_looked_for_again(start: Start) -> None:
    models = Models(start, locate_timeout_s=0.05)
    models.localizer.open.clear()
    late, _ = await models.ask(Options(embeddings=True))
    assert (late.fallback, late.cached) == ("timeout", False)
    models.localizer.open.set()
    await until(lambda: models.recognizer.health()["localizer"].running_for_s == 0)
    in_time, ran = await models.ask(Options(embeddings=True))
    assert ran == [1, 0, 1]  # the full picture is known
    assert (in_time.fallback, in_time.cached) == (None, False)
    again, _ = await models.ask(Options(embeddings=True))
    assert again.cached


class GatedSegmenter(FakeSegmenter):
    """Waits at a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()

    def segment(self, inputs: Sequence[SegmenterInput]) -> list[np.ndarray]:
        assert self.open.wait(WAIT_S)
        return super().segment(inputs)


async def test_a_mask_that_came_too_late_is_made_again(start: Start) -> None:
    segmenter = GatedSegmenter()
    recognizer = start(FakeLocalizer(by_colour), None, segmenter, locate_timeout_s=0.3, **KEPT)
    late = await recognizer.recognize(ON_GREEN, RED, Options(branches=WITH_MASK))
    assert late.verdict.branches["fg_mask"] is None
    segmenter.open.set()
    await until(lambda: recognizer.health()["segmenter"].running_for_s == 0)
    in_time = await recognizer.recognize(ON_GREEN, RED, Options(branches=WITH_MASK))
    assert in_time.verdict.branches["fg_mask"] is not None
    assert in_time.verdict.branches["fg"] == late.verdict.branches["fg"]


async def test_a_mask_that_is_known_but_comes_too_late_for_another_view_is_done_without(start: Start) -> None:
    segmenter = GatedSegmenter()
    segmenter.open.set()
    recognizer = start(FakeLocalizer(by_colour), None, segmenter, locate_timeout_s=0.3, **KEPT)
    await recognizer.recognize(ON_GREEN, RED, Options(branches=WITH_MASK))
    segmenter.open.clear()
    wider = Options(branches=WITH_MASK, box_margin=0.5)
    late = await recognizer.recognize(ON_GREEN, RED, wider)
    assert (late.verdict.branches["fg_mask"], late.fallback) == (None, None)
    segmenter.open.set()
    await until(lambda: recognizer.health()["segmenter"].running_for_s == 0)
    in_time = await recognizer.recognize(ON_GREEN, RED, wider)
    assert in_time.verdict.branches["fg_mask"] is not None


async def test_what_failed_is_tried_again(start: Start) -> None:
    class OnceBroken(ColourEncoder):
        broken = True

        def embed_images(self, pixels: np.ndarray) -> np.ndarray:
            rows = super().embed_images(pixels)
            return rows * np.nan if self.broken else rows

    encoder = OnceBroken()
    recognizer = start(FakeLocalizer(by_colour), encoder, **KEPT)
    with pytest.raises(ModelFailed):
        await recognizer.recognize(ON_GREEN, RED, Options())
    encoder.broken = False
    assert (await recognizer.recognize(ON_GREEN, RED, Options())).verdict.branches["fg"] is not None


async def test_pictures_over_the_limits_are_refused_each_time(start: Start) -> None:
    models = Models(start, image=ImageLimits(max_pixels=100))
    for _ in range(2):
        with pytest.raises(ImageTooLarge):
            await models.ask(Options())
    assert models.recognizer.memory().entries == 0


async def test_the_crop_is_seen_instead_only_for_what_is_an_object(start: Start) -> None:
    group = Detection(Box(2, 2, 22, 14), 0.95, is_group=True)
    pieces = [Detection(Box(2, 2, 8, 14), 0.8), Detection(Box(12, 2, 22, 14), 0.7)]
    models = Models(start, FakeLocalizer(always(group, *pieces)))
    models.segmenter.empty = True
    answer, ran = await models.ask(Options(objects=5, branches=("full", "fg_mask")))
    assert answer.objects is not None
    assert len(answer.objects) == 2
    assert ran == [1, 3, 3]


async def test_example_pictures_and_requests_know_the_same(start: Start) -> None:
    models = Models(start)
    exemplar = models.recognizer.embed_exemplar
    vector = await asyncio.to_thread(exemplar, ON_GREEN, PromptSet(("red",)))
    assert models.ran() == (1, 0, 2)
    again = await asyncio.to_thread(exemplar, ON_GREEN, PromptSet(("red",)))
    assert again.tobytes() == vector.tobytes()
    answer, ran = await models.ask(Options())
    assert (ran, answer.cached) == ([0, 0, 0], True)
    other = picture_of("blue", ("red", PATCH))
    await models.ask(Options(), other)
    before = models.ran()
    vector = await asyncio.to_thread(exemplar, other, PromptSet(("red",)))
    assert models.ran() == before
    cold = await asyncio.to_thread(start(FakeLocalizer(by_colour)).embed_exemplar, other, PromptSet(("red",)))
    assert cold.tobytes() == vector.tobytes()


async def test_a_known_picture_does_not_wait_for_a_place_behind_unknown_ones(start: Start) -> None:
    models = Models(start, max_batch=BatchSizes.all(1), threads=1)
    await models.ask(Options())
    models.localizer.open.clear()
    grounds = [picture_of(colour, ("red", (0, 0, 2, row))) for colour in COLOURS for row in range(2, 6)]
    waiting = [asyncio.ensure_future(models.recognizer.recognize(data, RED, Options())) for data in grounds]
    answer, _ = await models.ask(Options())
    assert answer.cached
    assert not any(task.done() for task in waiting)
    models.localizer.open.set()
    assert len(await asyncio.gather(*waiting)) == len(grounds)


async def test_many_known_and_unknown_pictures_at_once_are_all_answered(start: Start) -> None:
    models = Models(start, max_batch=BatchSizes.all(1), threads=1, memory_bytes=12_000)  # some are forgotten meanwhile
    pictures = [picture_of(colour, ("red", (0, 0, 2, row))) for colour in COLOURS for row in range(2, 6)]
    ways = [Options(), Options(branches=EVERY_VIEW), Options(objects=2), Options(candidates=2), Options(cascade=0.6)]
    requests = [(data, RED, replace(way, embeddings=True)) for way in ways for data in pictures]
    for _ in range(2):
        answers = await asyncio.gather(*(models.recognizer.recognize(*request) for request in requests))
    alone = start(FakeLocalizer(by_colour), None, FakeSegmenter())
    for request, answer in zip(requests, answers, strict=True):
        assert same(answer, await alone.recognize(*request))
    assert models.recognizer.memory().bytes <= 12_000


async def test_hits_and_misses_are_counted_and_can_be_forgotten(start: Start) -> None:
    models = Models(start)
    for _ in range(3):
        await models.ask(Options(branches=WITH_MASK))
    state = models.recognizer.memory()
    assert state.lookups == {
        "pictures": Lookups(2, 1),
        "boxes": Lookups(2, 1),
        "masks": Lookups(2, 1),
        "views": Lookups(6, 3),
    }
    assert state.entries == 6
    models.recognizer.forget()
    assert models.recognizer.memory().entries == 0
    answer, _ = await models.ask(Options(branches=WITH_MASK))
    assert not answer.cached


async def test_nothing_is_kept_where_that_is_switched_off(start: Start) -> None:
    models = Models(start, memory_bytes=0)
    for _ in range(2):
        answer, ran = await models.ask(Options())
        assert (ran, answer.cached) == ([1, 0, 2], False)
    assert models.recognizer.memory().entries == 0
    assert set(models.recognizer.memory().lookups.values()) == {Lookups()}
