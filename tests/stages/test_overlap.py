"""The full view beside the localizer, or all views in one batch."""

import asyncio
from dataclasses import replace

import pytest
from fakes import ColourEncoder, FakeLocalizer, Start, always, dataset_of, picture_of, until

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


async def test_in_turn_the_full_view_is_made_once_and_before_the_box_is_known(start: Start) -> None:
    localizer, encoder = FakeLocalizer(always(FOUND)), ColourEncoder()
    recognizer = start(localizer, encoder, overlap=False)
    localizer.open.clear()
    work = asyncio.ensure_future(recognizer.recognize(PICTURE, dataset_of(), Options()))
    await until(lambda: len(encoder.views) == 1)
    assert encoder.batches == []
    localizer.open.set()
    await work
    assert [view.shape[:2] for view in encoder.views] == [(16, 24), (8, 8)]


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
