"""Several located objects, each labelled from the views made with its own box."""

import numpy as np
import pytest
from fakes import (
    ColourEncoder,
    FakeLocalizer,
    FakeSegmenter,
    Start,
    always,
    by_colour,
    confidences_of,
    cosines_of,
    dataset_of,
    picture_of,
    pixels_of,
)

from service.recognition.boxes import Box, Detection
from service.stages.options import Options

pytestmark = pytest.mark.anyio
RED, BLUE = (2, 2, 10, 10), (14, 4, 22, 14)
SCENE = picture_of("green", ("red", RED), ("blue", BLUE))
CROPS = {"red": pixels_of(SCENE)[2:10, 2:10], "blue": pixels_of(SCENE)[4:14, 14:22]}
BOTH = dataset_of(localizer_prompts=("red", "blue"))
FIRST, SECOND = Detection(Box(*RED), 0.9), Detection(Box(*BLUE), 0.6)


async def test_each_object_has_its_own_box_and_its_own_answer_in_one_batch(start: Start) -> None:
    encoder, localizer = ColourEncoder(), FakeLocalizer(always(FIRST, SECOND))
    answer = await start(localizer, encoder).recognize(SCENE, BOTH, Options(objects=5))
    assert encoder.batches == [3]  # full, and each crop once
    assert answer.objects is not None
    assert [(entry.detection, entry.verdict.label) for entry in answer.objects] == [(FIRST, "red"), (SECOND, "blue")]
    for entry, colour in zip(answer.objects, ("red", "blue"), strict=True):
        assert list(entry.verdict.branches) == ["fg"]
        assert entry.verdict.confidence == pytest.approx(confidences_of(CROPS[colour]).max())
        assert entry.verdict.presence == pytest.approx(cosines_of(CROPS[colour]).max() * entry.detection.score)
    assert answer.detections == (FIRST, SECOND)


async def test_the_pictures_own_answer_is_what_it_is_without_objects(start: Start) -> None:
    recognizer = start(FakeLocalizer(by_colour))
    several = await recognizer.recognize(SCENE, BOTH, Options(objects=5))
    plain = await recognizer.recognize(SCENE, BOTH, Options())
    assert plain.objects is None
    assert (several.verdict, several.fallback, several.detections) == (plain.verdict, None, plain.detections)


async def test_an_objects_answer_does_not_depend_on_the_other_objects(start: Start) -> None:
    both = await start(FakeLocalizer(always(FIRST, SECOND))).recognize(SCENE, BOTH, Options(objects=5))
    alone = await start(FakeLocalizer(always(SECOND))).recognize(SCENE, BOTH, Options(objects=5))
    assert both.objects is not None
    assert alone.objects is not None
    assert both.objects[1] == alone.objects[0]


async def test_no_more_objects_than_asked_for_the_best_first(start: Start) -> None:
    encoder = ColourEncoder()
    answer = await start(FakeLocalizer(always(FIRST, SECOND)), encoder).recognize(SCENE, BOTH, Options(objects=1))
    assert answer.objects is not None
    assert [entry.detection for entry in answer.objects] == [FIRST]
    assert answer.detections == (FIRST, SECOND)
    assert encoder.batches == [2]


@pytest.mark.parametrize(("overlap", "count"), [(0.3, 2), (0.9, 3)])
async def test_duplicates_of_a_better_box_are_no_objects(start: Start, overlap: float, count: int) -> None:
    shifted = Detection(Box(2, 2, 10, 8), 0.8)
    recognizer = start(FakeLocalizer(always(FIRST, shifted, SECOND)), object_overlap=overlap)
    answer = await recognizer.recognize(SCENE, BOTH, Options(objects=5))
    assert answer.objects is not None
    assert len(answer.objects) == count
    assert [entry.detection for entry in answer.objects if entry.detection != shifted] == [FIRST, SECOND]


async def test_a_group_of_objects_is_no_object_though_the_picture_may_be_judged_by_it(start: Start) -> None:
    group = Detection(Box(2, 2, 22, 14), 0.95, is_group=True)
    encoder = ColourEncoder()
    recognizer = start(FakeLocalizer(always(group, FIRST, SECOND)), encoder, FakeSegmenter(), threads=1)
    options = {"branches": ("fg", "fg_mask"), "pad_colour": "black"}
    answer = await recognizer.recognize(SCENE, BOTH, Options(objects=5, **options))
    assert answer.objects is not None
    assert [entry.detection for entry in answer.objects] == [FIRST, SECOND]
    assert np.array_equal(encoder.views[0][4:16], pixels_of(SCENE)[2:14, 2:22])
    plain = await recognizer.recognize(SCENE, BOTH, Options(**options))
    assert (answer.verdict, answer.detections) == (plain.verdict, plain.detections)


async def test_boxes_below_the_threshold_are_no_objects(start: Start) -> None:
    recognizer = start(FakeLocalizer(always(FIRST, SECOND)))
    answer = await recognizer.recognize(SCENE, BOTH, Options(objects=5, box_threshold=0.7))
    assert answer.objects is not None
    assert [entry.detection for entry in answer.objects] == [FIRST]


@pytest.mark.parametrize(("found", "fallback"), [((), "no_detection"), ((Detection(Box(*RED), 0.1),), "low_score")])
async def test_where_nothing_is_found_there_are_no_objects_and_the_full_picture_answers(
    start: Start, found: tuple[Detection, ...], fallback: str
) -> None:
    encoder = ColourEncoder()
    answer = await start(FakeLocalizer(always(*found)), encoder).recognize(SCENE, BOTH, Options(objects=5))
    assert (answer.objects, answer.fallback, answer.label) == ((), fallback, "green")
    assert encoder.batches == [1]


async def test_objects_have_masks_of_their_own(start: Start) -> None:
    encoder, segmenter = ColourEncoder(), FakeSegmenter()
    recognizer = start(FakeLocalizer(always(FIRST, SECOND)), encoder, segmenter)
    answer = await recognizer.recognize(SCENE, BOTH, Options(objects=5, branches=("full", "fg", "fg_mask")))
    assert sorted(segmenter.boxes, key=lambda box: box.x0) == [FIRST.box, SECOND.box]
    assert encoder.batches == [3 + 2]  # the best one's views are the picture's own
    assert answer.objects is not None
    assert [list(entry.verdict.branches) for entry in answer.objects] == [["fg", "fg_mask"]] * 2
    assert [entry.verdict.label for entry in answer.objects] == ["red", "blue"]


async def test_an_object_whose_mask_is_empty_is_shown_as_a_crop(start: Start) -> None:
    recognizer = start(FakeLocalizer(always(FIRST, SECOND)), None, FakeSegmenter(empty=True))
    answer = await recognizer.recognize(SCENE, BOTH, Options(objects=5, branches=("fg_mask",)))
    assert (answer.fallback, answer.verdict.branch) == ("no_detection", "full")
    assert answer.objects is not None
    assert [(entry.verdict.label, entry.verdict.branch) for entry in answer.objects] == [("red", "fg"), ("blue", "fg")]
    assert answer.objects[0].verdict.branches == {"fg_mask": None}


async def test_objects_may_be_abstained_from_one_by_one(start: Start) -> None:
    recognizer = start(FakeLocalizer(always(FIRST, SECOND)))
    options = Options(objects=5, abstain_by="presence", abstain_below=0.7)
    answer = await recognizer.recognize(SCENE, BOTH, options)
    assert answer.objects is not None
    assert [(entry.verdict.label, entry.verdict.abstained) for entry in answer.objects] == [
        ("red", False),
        (None, True),
    ]
    assert answer.objects[1].verdict.scores[0].label == "blue"
