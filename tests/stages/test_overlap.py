"""The full view beside the localizer, or all views in one batch."""

import asyncio
import threading
from dataclasses import replace

import numpy as np
import pytest
from fakes import WAIT_S, ColourEncoder, FakeLocalizer, Start, always, dataset_of, picture_of, until

from service.errors import ModelFailed
from service.recognition.boxes import Box, Detection
from service.stages.options import Options

pytestmark = pytest.mark.anyio
PICTURE = picture_of("blue", ("red", (2, 2, 10, 10)))
FOUND = Detection(Box(2, 2, 10, 10), 0.9, None)


async def test_with_overlap_the_full_view_is_embedded_before_the_box_is_known(start: Start) -> None:
    localizer, encoder = FakeLocalizer(always(FOUND)), ColourEncoder()
    recognizer = start(localizer, encoder, overlap=True)
    localizer.open.clear()
    work = asyncio.ensure_future(recognizer.recognize(PICTURE, dataset_of(), Options()))
    await until(lambda: encoder.batches == [1])
    localizer.open.set()
    overlapped = await work
    assert encoder.batches == [1, 1]
    in_turn = await start(FakeLocalizer(always(FOUND)), overlap=False).recognize(PICTURE, dataset_of(), Options())
    assert replace(overlapped, timings_ms={}) == replace(in_turn, timings_ms={})


async def test_in_turn_all_views_are_one_batch(start: Start) -> None:
    encoder = ColourEncoder()
    await start(FakeLocalizer(always(FOUND)), encoder, overlap=False).recognize(PICTURE, dataset_of(), Options())
    assert encoder.batches == [2]


async def test_in_turn_a_large_full_view_is_made_once_and_before_the_box_is_known(start: Start) -> None:
    localizer, encoder = FakeLocalizer(always(FOUND)), ColourEncoder()
    recognizer = start(localizer, encoder, overlap=False)
    localizer.open.clear()
    large = picture_of("blue", ("red", (2, 2, 10, 10)), size=(800, 700))
    work = asyncio.ensure_future(recognizer.recognize(large, dataset_of(), Options()))
    await until(lambda: len(encoder.views) == 1)
    assert encoder.batches == []
    localizer.open.set()
    await work
    assert [view.shape[:2] for view in encoder.views] == [(700, 800), (8, 8)]


async def test_in_turn_all_views_of_a_small_picture_are_made_in_one_go(start: Start) -> None:
    encoder = ColourEncoder()
    answer = await start(FakeLocalizer(always(FOUND)), encoder, overlap=False).recognize(
        PICTURE, dataset_of(), Options()
    )
    assert [view.shape[:2] for view in encoder.views] == [(16, 24), (8, 8)]
    assert set(answer.timings_ms) == {"decode", "locate", "views", "embed", "score", "total"}


async def test_of_a_picture_that_is_known_no_view_is_made(start: Start) -> None:
    encoder = ColourEncoder()
    recognizer = start(FakeLocalizer(always(FOUND)), encoder, overlap=False, memory_bytes=10**6)
    first, again = [await recognizer.recognize(PICTURE, dataset_of(), Options()) for _ in range(2)]
    assert len(encoder.views) == 2
    assert first.verdict == again.verdict


@pytest.mark.parametrize(
    "options",
    [Options(branches=("fg",)), Options(branches=("full",)), Options(cascade=0.1, cascade_first="fg")],
)
async def test_nothing_is_embedded_that_is_not_asked_for(start: Start, options: Options) -> None:
    encoder = ColourEncoder()
    await start(FakeLocalizer(always(FOUND)), encoder, overlap=True).recognize(PICTURE, dataset_of(), options)
    assert encoder.batches == [1]


async def test_a_localizer_that_fails_beside_the_full_view_is_an_error_as_ever(start: Start) -> None:
    def fail(_entry: object) -> list[Detection]:
        raise RuntimeError("no")

    with pytest.raises(ModelFailed):
        await start(FakeLocalizer(fail), overlap=True).recognize(PICTURE, dataset_of(), Options())


class SplitEncoder(ColourEncoder):
    """One that two processors can compute side by side; each waits for the other."""

    def __init__(self) -> None:
        super().__init__()
        self.together = threading.Barrier(2)
        self.lanes = (self.side_by_side, self.side_by_side)
        self.beside: list[int] = []

    def side_by_side(self, pixels: np.ndarray) -> np.ndarray:
        self.together.wait(WAIT_S)
        self.beside.append(len(pixels))
        return ColourEncoder().embed_images(pixels)


async def test_pictures_that_come_together_have_a_processor_each_and_a_lone_one_has_all(start: Start) -> None:
    localizer, encoder = FakeLocalizer(always(FOUND)), SplitEncoder()
    recognizer = start(localizer, encoder, threads=2)
    other = picture_of("green", ("red", (2, 2, 10, 10)))
    answers = await asyncio.gather(*(recognizer.recognize(data, dataset_of(), Options()) for data in (PICTURE, other)))
    assert (encoder.beside, encoder.batches) == ([2, 2], [])
    alone = await recognizer.recognize(PICTURE, dataset_of(), Options())
    assert (encoder.beside, encoder.batches) == ([2, 2], [2])
    assert answers[0].verdict == alone.verdict
    assert answers[1].verdict != alone.verdict


async def test_pictures_that_are_known_crowd_nobody(start: Start) -> None:
    """Else one that is looked at would get one processor of those that nobody uses."""
    encoder = SplitEncoder()
    recognizer = start(FakeLocalizer(always(FOUND)), encoder, threads=2, memory_bytes=10**6)
    await recognizer.recognize(PICTURE, dataset_of(), Options())
    other = picture_of("green", ("red", (2, 2, 10, 10)))
    await asyncio.gather(*(recognizer.recognize(data, dataset_of(), Options()) for data in (PICTURE, other, PICTURE)))
    assert (encoder.beside, encoder.batches) == ([], [2, 2])
