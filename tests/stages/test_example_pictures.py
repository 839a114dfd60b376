"""A class's example picture as a vector, for a thread without an event loop."""

import asyncio

import numpy as np
import pytest
from fakes import (
    ColourEncoder,
    FakeLocalizer,
    Start,
    always,
    by_colour,
    dataset_of,
    mean_colour,
    picture_of,
    pixels_of,
)

from service.errors import DeadlineExceeded, ImageUnreadable, InvalidFields
from service.models.ports import PromptSet
from service.recognition.boxes import Box, Detection
from service.stages.options import Options

pytestmark = pytest.mark.anyio
PATCH = (8, 4, 12, 12)
ON_GREEN = picture_of("green", ("red", PATCH))
PROMPTS = PromptSet(("red", "grey"), "averaged")


async def test_it_is_the_unit_mean_of_the_full_picture_and_the_crop(start: Start) -> None:
    encoder, localizer = ColourEncoder(pad_colour=(20, 20, 240)), FakeLocalizer(by_colour)
    vector = await asyncio.to_thread(start(localizer, encoder).embed_exemplar, ON_GREEN, PROMPTS)
    crop = np.full((8, 8, 3), (20, 20, 240), np.uint8)
    crop[:, 2:6] = pixels_of(ON_GREEN)[4:12, 8:12]
    assert np.array_equal(encoder.views[1], crop)
    mean = (mean_colour(pixels_of(ON_GREEN)) + mean_colour(crop)) / 2
    assert vector == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
    assert np.linalg.norm(vector) == pytest.approx(1)
    assert encoder.batches == [2]
    assert localizer.asked == [PROMPTS]


@pytest.mark.parametrize("found", [(), (Detection(Box(*PATCH), 0.29),)], ids=["nothing", "too weak"])
async def test_without_a_box_it_is_the_full_picture(start: Start, found: tuple[Detection, ...]) -> None:
    encoder = ColourEncoder()
    recognizer = start(FakeLocalizer(always(*found)), encoder)
    vector = await asyncio.to_thread(recognizer.embed_exemplar, ON_GREEN, PROMPTS)
    assert encoder.batches == [1]
    assert vector == pytest.approx(mean_colour(pixels_of(ON_GREEN)), abs=1e-5)


async def test_it_is_what_a_recognition_sees(start: Start) -> None:
    recognizer = start(FakeLocalizer(by_colour))
    vector = await asyncio.to_thread(recognizer.embed_exemplar, ON_GREEN, PromptSet(("red",)))
    answer = await recognizer.recognize(ON_GREEN, dataset_of(localizer_prompts=("red",)), Options(embeddings=True))
    assert answer.embeddings is not None
    mean = np.mean(list(answer.embeddings.values()), axis=0)
    assert vector == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


async def test_faults_of_the_picture_and_of_the_prompts_are_named(start: Start) -> None:
    recognizer = start(FakeLocalizer(by_colour))
    with pytest.raises(ImageUnreadable):
        await asyncio.to_thread(recognizer.embed_exemplar, b"", PROMPTS)
    with pytest.raises(InvalidFields, match="localizer_prompts"):
        await asyncio.to_thread(recognizer.embed_exemplar, ON_GREEN, PromptSet(("too long",)))


async def test_a_localizer_that_is_too_slow_is_not_waited_for(start: Start) -> None:
    localizer = FakeLocalizer(by_colour)
    localizer.open.clear()
    recognizer = start(localizer, locate_timeout_s=0.05)
    with pytest.raises(DeadlineExceeded):
        await asyncio.to_thread(recognizer.embed_exemplar, ON_GREEN, PROMPTS)
