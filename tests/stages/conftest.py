import asyncio
from collections.abc import AsyncIterator

import pytest
from fakes import WAIT_S, ColourEncoder, FakeLocalizer, FakeSegmenter, Start

from service.recognizer import Recognizer
from service.stages.options import Limits


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts recognizers; lets their localizers go on and closes them at the end."""
    started: list[tuple[Recognizer, FakeLocalizer]] = []

    def start_one(
        localizer: FakeLocalizer,
        encoder: ColourEncoder | None = None,
        segmenter: FakeSegmenter | None = None,
        **limits: object,
    ) -> Recognizer:
        recognizer = Recognizer(localizer, encoder or ColourEncoder(), Limits(**limits), segmenter)
        started.append((recognizer, localizer))
        return recognizer

    yield start_one
    for recognizer, localizer in started:
        localizer.open.set()
        await asyncio.to_thread(recognizer.close, WAIT_S)
