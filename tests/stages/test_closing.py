"""The end of a recognizer does not wait for what hangs."""

import asyncio
import time

import pytest
from fakes import WAIT_S, FakeLocalizer, Start, always, dataset_of, picture_of

from service.recognition.boxes import Box, Detection
from service.stages.options import Options

pytestmark = pytest.mark.anyio
PATIENCE_S = 0.1


async def test_closing_takes_no_longer_than_it_may_and_tells_that_a_worker_did_not_end(start: Start) -> None:
    localizer = FakeLocalizer(always(Detection(Box(0, 0, 9, 9), 0.9)))
    recognizer = start(localizer)
    localizer.open.clear()
    waiting = [
        asyncio.ensure_future(recognizer.recognize(picture_of(ground), dataset_of("red", "blue"), Options()))
        for ground in ("red", "blue")
    ]
    async with asyncio.timeout(WAIT_S):
        while recognizer.health()["localizer"].running_for_s == 0:
            await asyncio.sleep(0)
    began_s = time.monotonic()
    assert not await asyncio.to_thread(recognizer.close, PATIENCE_S)
    assert PATIENCE_S <= time.monotonic() - began_s < WAIT_S / 2
    assert recognizer.health()["localizer"].alive
    assert not recognizer.health()["encoder"].alive
    localizer.open.set()
    assert await asyncio.to_thread(recognizer.close, WAIT_S)
    await asyncio.gather(*waiting, return_exceptions=True)
