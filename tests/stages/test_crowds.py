"""One picture may need many boxes and masks; neither it nor its neighbours are refused for that."""

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from fakes import WAIT_S, ColourEncoder, FakeLocalizer, FakeSegmenter, Start, always, by_colour, dataset_of, picture_of

from service.errors import ModelFailed
from service.models.batch_size import BatchSizes
from service.models.ports import SegmenterInput
from service.recognition.boxes import Box, Detection
from service.recognizer import Recognizer
from service.stages.options import Limits, Options

pytestmark = pytest.mark.anyio
ON_GREEN = picture_of("green", ("red", (4, 4, 12, 12)))
CROWD = [Detection(Box(2 * place, 0, 2 * place + 2, 2), 0.9 - place / 100) for place in range(10)]
WITH_MASKS = Options(objects=10, branches=("full", "fg", "fg_mask"))


class SlowSegmenter(FakeSegmenter):
    """Waits at a gate, or fails."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__()
        self.open, self.fails = threading.Event(), fails

    def segment(self, inputs: Sequence[SegmenterInput]) -> list[np.ndarray]:
        if self.fails:
            raise ValueError("the segmenter is broken")
        assert self.open.wait(WAIT_S)
        return super().segment(inputs)


async def test_many_candidates_at_once_are_not_refused(start: Start) -> None:
    recognizer = start(FakeLocalizer(by_colour), max_waiting=4, max_batch=BatchSizes.all(2))
    options = Options(candidates=3)
    works = [recognizer.recognize(ON_GREEN, dataset_of(), options) for _ in range(4)]
    answers = await asyncio.gather(*works)
    assert {answer.label for answer in answers} == {answers[0].label}
    assert all(answer.candidates is not None and len(answer.candidates) == 3 for answer in answers)


async def test_many_masks_at_once_are_not_refused(start: Start) -> None:
    recognizer = start(FakeLocalizer(always(*CROWD)), None, FakeSegmenter(), max_waiting=4, max_batch=BatchSizes.all(2))
    answers = await asyncio.gather(*(recognizer.recognize(ON_GREEN, dataset_of(), WITH_MASKS) for _ in range(4)))
    assert [len(answer.objects or ()) for answer in answers] == [10] * 4


async def test_a_mask_that_comes_too_late_is_done_without() -> None:
    segmenter = SlowSegmenter()
    limits = Limits(locate_timeout_s=0.05, threads=1)
    recognizer = Recognizer(FakeLocalizer(always(CROWD[0])), ColourEncoder(), limits, segmenter)
    answer = await recognizer.recognize(ON_GREEN, dataset_of(), Options(branches=("full", "fg", "fg_mask")))
    assert answer.verdict.branches["fg_mask"] is None
    assert answer.verdict.branches["fg"] is not None
    assert answer.fallback is None
    segmenter.open.set()
    await asyncio.to_thread(recognizer.close, WAIT_S)


async def test_a_broken_segmenter_fails_the_request_that_needs_it_and_no_other() -> None:
    recognizer = Recognizer(FakeLocalizer(always(*CROWD)), ColourEncoder(), Limits(), SlowSegmenter(fails=True))
    with pytest.raises(ModelFailed):
        await recognizer.recognize(ON_GREEN, dataset_of(), WITH_MASKS)
    assert (await recognizer.recognize(ON_GREEN, dataset_of(), Options())).fallback is None
    await asyncio.to_thread(recognizer.close, WAIT_S)


async def test_a_group_whose_pieces_are_all_weak_counts_as_one_object(start: Start) -> None:
    group = Detection(Box(0, 0, 20, 8), 0.6, is_group=True)
    weak = [Detection(Box(0, 0, 8, 8), 0.2), Detection(Box(12, 0, 20, 8), 0.1)]
    answer = await start(FakeLocalizer(always(group, *weak))).recognize(ON_GREEN, dataset_of(), Options(objects=5))
    assert answer.objects is not None
    assert [entry.detection for entry in answer.objects] == [group]


async def test_presence_is_not_judged_before_a_box_was_looked_for(start: Start) -> None:
    localizer = FakeLocalizer(by_colour)
    options = Options(cascade=0.0, abstain_below=0.1, abstain_by="presence", localizer_prompt="red")
    answer = await start(localizer).recognize(ON_GREEN, dataset_of(), options)
    assert answer.cascade is None
    assert len(localizer.asked) == 1
    by_confidence = Options(cascade=0.0, abstain_below=0.1, localizer_prompt="red")
    stopped = (await start(localizer).recognize(ON_GREEN, dataset_of(), by_confidence)).cascade
    assert stopped is not None
    assert stopped.stopped


async def test_an_embedding_that_is_no_number_fails_its_own_request(start: Start) -> None:
    class BrokenEncoder(ColourEncoder):
        def embed_images(self, pixels: np.ndarray) -> np.ndarray:
            return np.full((len(pixels), 3), np.nan, np.float32)

    with pytest.raises(ModelFailed):
        await start(FakeLocalizer(by_colour), BrokenEncoder()).recognize(ON_GREEN, dataset_of(), Options())
