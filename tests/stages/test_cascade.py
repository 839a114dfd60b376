"""One view is asked first; the others only where it is not sure enough."""

import pytest
from fakes import (
    ColourEncoder,
    FakeLocalizer,
    FakeSegmenter,
    Start,
    always,
    by_colour,
    confidences_of,
    dataset_of,
    picture_of,
    pixels_of,
)

from service.recognition.answers import Cascade
from service.recognition.boxes import Box
from service.recognition.priors import Prior
from service.stages.options import Options

pytestmark = pytest.mark.anyio
PATCH = (8, 4, 16, 12)
ON_GREEN = picture_of("green", ("red", PATCH))
FULL_SURE, CROP_SURE = (confidences_of(view).max() for view in (pixels_of(ON_GREEN), pixels_of(ON_GREEN)[4:12, 8:16]))
RED = dataset_of(localizer_prompts=("red",))


async def test_a_full_picture_that_is_sure_answers_before_anything_is_located(start: Start) -> None:
    encoder, localizer = ColourEncoder(), FakeLocalizer(by_colour)
    answer = await start(localizer, encoder).recognize(ON_GREEN, RED, Options(cascade=FULL_SURE - 0.001))
    assert localizer.asked == []
    assert encoder.batches == [1]
    assert answer.cascade == Cascade("full", pytest.approx(FULL_SURE), True)
    assert (answer.label, answer.verdict.branch, answer.fallback, answer.detections) == ("green", "full", None, ())
    assert answer.verdict.branches["fg"] is None
    level = f"{FULL_SURE - 0.001:g}"
    assert answer.verdict.reason == (
        f"full was sure enough: {FULL_SURE:.4f}, at or above {level}; no other view was asked"
    )


async def test_a_full_picture_that_is_not_sure_is_seen_once_and_the_answer_is_that_of_all_views(start: Start) -> None:
    encoder, localizer = ColourEncoder(), FakeLocalizer(by_colour)
    recognizer = start(localizer, encoder)
    answer = await recognizer.recognize(ON_GREEN, RED, Options(cascade=FULL_SURE + 0.001))
    assert len(localizer.asked) == 1
    assert encoder.batches == [1, 1]
    assert answer.cascade == Cascade("full", pytest.approx(FULL_SURE), False)
    plain = await recognizer.recognize(ON_GREEN, RED, Options())
    assert (answer.verdict, answer.fallback, answer.detections) == (plain.verdict, plain.fallback, plain.detections)


async def test_a_crop_that_is_sure_answers_and_the_full_picture_is_not_seen(start: Start) -> None:
    encoder, localizer, segmenter = ColourEncoder(), FakeLocalizer(by_colour), FakeSegmenter()
    options = Options(branches=("full", "fg", "fg_mask"), cascade=CROP_SURE - 0.001, cascade_first="fg")
    answer = await start(localizer, encoder, segmenter).recognize(ON_GREEN, RED, options)
    assert encoder.batches == [1]
    assert segmenter.boxes == []
    assert answer.cascade == Cascade("fg", pytest.approx(CROP_SURE), True)
    assert (answer.label, answer.verdict.branch, answer.fallback) == ("red", "fg", None)
    assert answer.detections[0].box == Box(*PATCH)
    assert answer.verdict.reason.startswith("fg was sure enough")
    assert {name for name, branch in answer.verdict.branches.items() if branch is None} == {"full", "fg_mask"}


async def test_a_crop_that_is_not_sure_is_seen_once_and_the_answer_is_that_of_all_views(start: Start) -> None:
    encoder = ColourEncoder()
    recognizer = start(FakeLocalizer(by_colour), encoder, FakeSegmenter())
    branches = ("full", "fg", "fg_mask")
    options = Options(branches=branches, cascade=1.0, cascade_first="fg", embeddings=True)
    answer = await recognizer.recognize(ON_GREEN, RED, options)
    assert encoder.batches == [1, 2]
    assert answer.cascade == Cascade("fg", pytest.approx(CROP_SURE), False)
    plain = await recognizer.recognize(ON_GREEN, RED, Options(branches=branches))
    assert answer.verdict == plain.verdict
    assert answer.embeddings is not None
    assert tuple(answer.embeddings) == branches


async def test_without_a_box_there_is_no_crop_to_be_asked_first(start: Start) -> None:
    encoder = ColourEncoder()
    answer = await start(FakeLocalizer(always()), encoder).recognize(
        ON_GREEN, RED, Options(cascade=0.0, cascade_first="fg")
    )
    assert (answer.cascade, answer.fallback, answer.label) == (None, "no_detection", "green")
    assert encoder.batches == [1]


@pytest.mark.parametrize(("level", "stopped"), [(0.0, True), (1.0, False)])
async def test_a_datasets_cascade_is_followed_unless_the_request_says_otherwise(
    start: Start, level: float, stopped: bool
) -> None:
    dataset = dataset_of(localizer_prompts=("red",), cascade=level, cascade_first="fg")
    recognizer = start(FakeLocalizer(by_colour))
    answer = await recognizer.recognize(ON_GREEN, dataset, Options())
    assert answer.cascade is not None
    assert (answer.cascade.first, answer.cascade.stopped) == ("fg", stopped)
    answer = await recognizer.recognize(ON_GREEN, dataset, Options(cascade=1.0 - level))
    assert answer.cascade is not None
    assert answer.cascade.stopped is not stopped


@pytest.mark.parametrize("options", [Options(objects=1), Options(candidates=1), Options(branches=("fg",))])
async def test_a_datasets_cascade_is_left_out_where_it_makes_no_sense(start: Start, options: Options) -> None:
    dataset = dataset_of(localizer_prompts=("red",), cascade=0.0)
    localizer = FakeLocalizer(by_colour)
    answer = await start(localizer).recognize(ON_GREEN, dataset, options)
    assert answer.cascade is None
    assert len(localizer.asked) == 1


async def test_the_metadata_take_part_in_how_sure_the_first_view_is(start: Start) -> None:
    prior = Prior("probabilities", {"sea": {"blue": 1.0}})
    dataset = dataset_of(localizer_prompts=("red",), priors={"place": prior})
    recognizer = start(FakeLocalizer(by_colour))
    answer = await recognizer.recognize(ON_GREEN, dataset, Options(cascade=0.9, metadata={"place": "sea"}))
    assert answer.cascade is not None
    assert answer.cascade.stopped
    assert answer.label == "blue"
    assert answer.metadata is not None
    assert answer.metadata.without.label == "green"
