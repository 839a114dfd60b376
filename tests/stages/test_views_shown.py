"""Which views are shown of a picture, and what stands in where the object is not found (L2R2, section 3.1)."""

import asyncio

import numpy as np
import pytest
from fakes import (
    COLOURS,
    ColourEncoder,
    FakeLocalizer,
    FakeSegmenter,
    Find,
    Start,
    always,
    as_png,
    by_colour,
    confidences_of,
    cosines_of,
    dataset_of,
    picture_of,
    pixels_of,
    until,
)

from service.errors import DeadlineExceeded, InvalidFields, ModelFailed, Overloaded
from service.models.ports import LocatorInput, PromptSet
from service.recognition.abstention import LEAST_BOX_SCORE
from service.recognition.boxes import Box, Detection
from service.recognition.views import VIEWS
from service.stages.options import Options

pytestmark = pytest.mark.anyio
PATCH = (8, 4, 16, 12)
ON_GREEN = picture_of("green", ("red", PATCH))
CROP = pixels_of(ON_GREEN)[4:12, 8:16]
RED = dataset_of(localizer_prompts=("red",))


async def test_the_full_picture_and_the_crop_are_shown_in_one_batch_and_the_surer_one_answers(start: Start) -> None:
    encoder, localizer = ColourEncoder(), FakeLocalizer(by_colour)
    answer = await start(localizer, encoder).recognize(ON_GREEN, RED, Options(top_k=2))
    assert encoder.batches == [2]
    assert np.array_equal(encoder.views[0], pixels_of(ON_GREEN))
    assert np.array_equal(encoder.views[1], CROP)
    assert localizer.asked == [PromptSet(("red",))]
    assert (answer.label, answer.verdict.branch, answer.fallback) == ("red", "fg", None)
    assert answer.verdict.confidence == pytest.approx(confidences_of(CROP)[0])
    assert answer.detections == (Detection(Box(*PATCH), 1.0, "red"),)
    assert (answer.width, answer.height) == (24, 16)
    full = answer.verdict.branches["full"]
    assert full is not None
    assert [score.label for score in full.scores] == ["green", "red"]
    assert full.confidence == pytest.approx(confidences_of(pixels_of(ON_GREEN))[1])
    assert set(answer.timings_ms) == {"decode", "locate", "views", "embed", "score", "total"}
    assert (answer.metadata, answer.cascade, answer.objects, answer.candidates, answer.embeddings) == (None,) * 5


async def test_all_branches_of_a_picture_are_shown_in_one_batch(start: Start) -> None:
    encoder = ColourEncoder()
    recognizer = start(FakeLocalizer(by_colour), encoder, FakeSegmenter())
    answer = await recognizer.recognize(ON_GREEN, RED, Options(branches=tuple(reversed(VIEWS)), embeddings=True))
    assert encoder.batches == [len(VIEWS)]
    assert tuple(answer.verdict.branches) == tuple(VIEWS)
    assert None not in answer.verdict.branches.values()
    assert answer.embeddings is not None
    assert tuple(answer.embeddings) == tuple(VIEWS)


async def test_the_requests_style_reaches_the_views(start: Start) -> None:
    encoder = ColourEncoder(pad_colour=(1, 2, 3))
    recognizer = start(FakeLocalizer(always(Detection(Box(8, 4, 12, 12), 0.9))), encoder)
    await recognizer.recognize(ON_GREEN, RED, Options(branches=("fg", "fg_margin"), box_margin=0.5, wide_margin=1.0))
    fg, wide = encoder.views
    assert fg.shape == (16, 16, 3)
    assert np.array_equal(fg[:, 4:12], pixels_of(ON_GREEN)[:, 6:14])
    assert (fg[:, :4] == (1, 2, 3)).all()
    assert wide.shape == (16, 16, 3)
    assert np.array_equal(wide[:, 2:14], pixels_of(ON_GREEN)[:, 4:16])
    await recognizer.recognize(ON_GREEN, RED, Options(branches=("fg",), pad_colour="#0a0b0c"))
    assert (encoder.views[-1][:, :2] == (10, 11, 12)).all()


def weak(entry: LocatorInput) -> list[Detection]:
    return [Detection(Box(*PATCH), 0.2, "red")]


@pytest.mark.parametrize(
    ("reason", "find", "name", "box_score"),
    [
        ("no_detection", always(), "fake", 0.0),
        ("low_score", weak, "fake", 0.2),
        ("disabled", by_colour, "none", None),
        ("timeout", by_colour, "fake", 0.0),
    ],
)
async def test_the_full_picture_answers_where_there_is_no_box_to_rely_on(
    start: Start, reason: str, find: Find, name: str, box_score: float | None
) -> None:
    encoder, localizer, limits = ColourEncoder(), FakeLocalizer(find, name=name), {}
    if reason == "timeout":
        localizer.open.clear()
        limits["locate_timeout_s"] = 0.05
    answer = await start(localizer, encoder, **limits).recognize(ON_GREEN, RED, Options())
    assert (answer.fallback, answer.verdict.branch, answer.label) == (reason, "full", "green")
    assert answer.verdict.branches["fg"] is None
    assert answer.verdict.confidence == pytest.approx(confidences_of(pixels_of(ON_GREEN))[1])
    assert encoder.batches == [1]
    assert [found.score for found in answer.detections] == ([0.2] if reason == "low_score" else [])
    weight = 1.0 if box_score is None else max(box_score, LEAST_BOX_SCORE)
    assert answer.verdict.presence == pytest.approx(cosines_of(pixels_of(ON_GREEN))[1] * weight)


@pytest.mark.parametrize("branches", [("fg",), ("bg_box", "fg_margin"), ("fg_mask",)])
async def test_the_full_picture_stands_in_for_branches_that_cannot_be_shown(
    start: Start, branches: tuple[str, ...]
) -> None:
    encoder = ColourEncoder()
    recognizer = start(FakeLocalizer(always()), encoder, FakeSegmenter())
    answer = await recognizer.recognize(ON_GREEN, RED, Options(branches=branches))
    assert (answer.fallback, answer.verdict.branch, encoder.batches) == ("no_detection", "full", [1])
    assert [name for name, branch in answer.verdict.branches.items() if branch is not None] == ["full"]
    assert set(branches) < set(answer.verdict.branches)


async def test_a_box_at_the_threshold_is_used(start: Start) -> None:
    recognizer = start(FakeLocalizer(weak))
    assert (await recognizer.recognize(ON_GREEN, RED, Options(box_threshold=0.2))).label == "red"
    assert (await recognizer.recognize(ON_GREEN, RED, Options(box_threshold=0.21))).fallback == "low_score"


@pytest.mark.parametrize("branches", [("full",), ("center_crop",), ("full", "center_crop")])
async def test_nothing_is_located_for_branches_without_a_box_and_no_other_is_added(
    start: Start, branches: tuple[str, ...]
) -> None:
    encoder, localizer = ColourEncoder(), FakeLocalizer(by_colour)
    answer = await start(localizer, encoder).recognize(ON_GREEN, RED, Options(branches=branches, embeddings=True))
    assert localizer.asked == []
    assert (answer.fallback, answer.detections) == ("disabled", ())
    assert answer.embeddings is not None
    assert tuple(answer.embeddings) == branches


MASKED = {"branches": ("full", "fg", "fg_mask", "bg_shape", "full_colour"), "pad_colour": "black"}


def crossed() -> np.ndarray:
    """A blue cross in a red patch on green."""
    rgb = pixels_of(picture_of("green", ("red", PATCH)))
    rgb[4:12, 11:13] = rgb[7:9, 8:16] = COLOURS["blue"]
    return rgb


async def test_a_detections_own_mask_is_used_and_no_segmenter_asked(start: Start) -> None:
    rgb = crossed()
    cross = (rgb == COLOURS["blue"]).all(axis=2)
    found = Detection(Box(*PATCH), 0.9, None, np.where(cross, 255, 0).astype(np.uint8))
    encoder, segmenter = ColourEncoder(), FakeSegmenter()
    recognizer = start(FakeLocalizer(always(found), gives_masks=True), encoder, segmenter)
    answer = await recognizer.recognize(as_png(rgb), RED, Options(**MASKED))
    _full, fg, fg_mask, bg_shape, full_colour = encoder.views
    assert segmenter.boxes == []
    assert answer.verdict.branches["fg_mask"] is not None
    assert np.array_equal(fg, rgb[4:12, 8:16])
    assert np.array_equal(fg_mask, np.where(cross[..., None], rgb, 0)[4:12, 8:16])
    assert np.array_equal(bg_shape, np.where(cross[..., None], 0, rgb))
    assert np.array_equal(full_colour, np.where(cross[..., None], rgb, 0))
    assert answer.verdict.branches["fg_mask"].label == "blue"


async def test_a_mask_of_another_resolution_is_resized_and_ends_at_the_box(start: Start) -> None:
    encoder = ColourEncoder()
    found = Detection(Box(*PATCH), 0.9, None, np.full((2, 3), 255, np.uint8))
    recognizer = start(FakeLocalizer(always(found), gives_masks=True), encoder)
    await recognizer.recognize(ON_GREEN, RED, Options(branches=("full_colour",), pad_colour="black"))
    expected = np.zeros((16, 24, 3), np.uint8)
    expected[4:12, 8:16] = COLOURS["red"]
    assert np.array_equal(encoder.views[0], expected)


async def test_half_a_mask_is_half_the_box(start: Start) -> None:
    encoder = ColourEncoder()
    left = np.zeros((16, 24), np.uint8)
    left[:, :12] = 255
    found = Detection(Box(*PATCH), 0.9, None, left)
    recognizer = start(FakeLocalizer(always(found), gives_masks=True), encoder)
    await recognizer.recognize(ON_GREEN, RED, Options(branches=("fg_mask",), pad_colour="black"))
    assert np.array_equal(encoder.views[0][:, :4], CROP[:, :4])
    assert not encoder.views[0][:, 4:].any()


async def test_a_segmenter_is_asked_for_the_best_box_where_a_view_needs_its_mask(start: Start) -> None:
    encoder, segmenter = ColourEncoder(), FakeSegmenter()
    wide = Detection(Box(6, 2, 18, 14), 0.9)
    recognizer = start(FakeLocalizer(always(wide)), encoder, segmenter)
    await recognizer.recognize(ON_GREEN, RED, Options())
    assert segmenter.boxes == []
    encoder.views.clear()
    await recognizer.recognize(ON_GREEN, RED, Options(branches=("fg_mask", "bg_shape"), pad_colour="black"))
    assert segmenter.boxes == [wide.box]
    fg_mask, bg_shape = encoder.views
    red = (pixels_of(ON_GREEN) == COLOURS["red"]).all(axis=2)[..., None]
    assert np.array_equal(fg_mask, np.where(red, pixels_of(ON_GREEN), 0)[2:14, 6:18])
    assert np.array_equal(bg_shape, np.where(red, 0, pixels_of(ON_GREEN)))


@pytest.mark.parametrize(
    ("branches", "shown", "fallback"),
    [
        (("full", "fg", "fg_mask"), ("full", "fg"), None),
        (("fg", "bg_shape"), ("fg",), None),
        (("full", "fg_mask"), ("full",), "no_detection"),
        (("fg_mask", "full_blur"), ("full",), "no_detection"),
    ],
)
async def test_an_empty_mask_leaves_out_the_views_that_need_one(
    start: Start, branches: tuple[str, ...], shown: tuple[str, ...], fallback: str | None
) -> None:
    encoder = ColourEncoder()
    recognizer = start(FakeLocalizer(by_colour), encoder, FakeSegmenter(empty=True))
    answer = await recognizer.recognize(ON_GREEN, RED, Options(branches=branches, embeddings=True))
    assert answer.embeddings is not None
    assert (tuple(answer.embeddings), answer.fallback) == (shown, fallback)
    assert encoder.batches == [len(shown)]
    assert answer.detections[0].box == Box(*PATCH)
    assert all(answer.verdict.branches[name] is None for name in branches if name not in shown)


async def test_a_localizer_that_forgets_a_mask_leaves_out_the_views_that_need_one(start: Start) -> None:
    recognizer = start(FakeLocalizer(by_colour, gives_masks=True))
    answer = await recognizer.recognize(ON_GREEN, RED, Options(branches=("fg", "fg_mask")))
    assert answer.verdict.branches["fg_mask"] is None
    assert answer.label == "red"


@pytest.mark.parametrize(
    ("prompts", "asked", "field"), [((), "too long", "localizer_prompt"), (("too long",), None, "localizer_prompts")]
)
async def test_a_prompt_that_the_localizer_cannot_take_is_named(
    start: Start, prompts: tuple[str, ...], asked: str | None, field: str
) -> None:
    dataset, recognizer = dataset_of(localizer_prompts=prompts), start(FakeLocalizer(by_colour))
    with pytest.raises(InvalidFields, match="more than 4 tokens") as caught:
        await recognizer.recognize(ON_GREEN, dataset, Options(localizer_prompt=asked))
    assert [problem.field for problem in caught.value.problems] == [field]


async def test_the_requests_prompt_is_looked_for_instead_of_the_datasets(start: Start) -> None:
    localizer = FakeLocalizer(by_colour)
    answer = await start(localizer).recognize(ON_GREEN, RED, Options(localizer_prompt="green"))
    assert localizer.asked == [PromptSet(("green",))]
    assert answer.detections[0].prompt == "green"


async def test_a_localizer_that_breaks_is_an_error_of_this_picture_alone(start: Start) -> None:
    def broken(entry: LocatorInput) -> list[Detection]:
        if (entry.pixels[:, 0, 0] == COLOURS["blue"]).all():
            raise ArithmeticError("division by zero")
        return by_colour(entry)

    recognizer = start(FakeLocalizer(broken))
    with pytest.raises(ModelFailed):
        await recognizer.recognize(picture_of("blue"), RED, Options())
    assert (await recognizer.recognize(ON_GREEN, RED, Options())).label == "red"
    assert {name: worker.alive for name, worker in recognizer.health().items()} == {"localizer": True, "encoder": True}


async def test_workers_are_named_and_the_service_says_what_usually_answers(start: Start) -> None:
    recognizer = start(FakeLocalizer(by_colour), None, FakeSegmenter(), branches=("full", "fg_mask"))
    assert list(recognizer.health()) == ["localizer", "segmenter", "encoder"]
    assert recognizer.usual_branches == ("full", "fg_mask")
    assert start(FakeLocalizer(by_colour), branches=("full", "fg_mask")).usual_branches == ("full",)


async def test_a_request_past_its_time_is_given_up_and_its_place_is_free_again(start: Start) -> None:
    localizer = FakeLocalizer(by_colour)
    recognizer = start(localizer, request_timeout_s=0.05, max_waiting=1)
    localizer.open.clear()
    for _ in range(2):
        with pytest.raises(DeadlineExceeded, match=r"0\.05 s"):
            await recognizer.recognize(ON_GREEN, RED, Options())


async def test_more_pictures_than_may_wait_are_refused(start: Start) -> None:
    localizer = FakeLocalizer(by_colour)
    recognizer = start(localizer, max_waiting=1)
    localizer.open.clear()
    first = asyncio.ensure_future(recognizer.recognize(ON_GREEN, RED, Options()))
    await until(lambda: recognizer.health()["localizer"].running_for_s > 0)
    with pytest.raises(Overloaded):
        await recognizer.recognize(ON_GREEN, RED, Options())
    localizer.open.set()
    assert (await first).label == "red"
