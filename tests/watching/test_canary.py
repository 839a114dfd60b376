"""The picture of our own that goes through the models when nobody else's does."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest
from light_models import (  # type: ignore[import-not-found]
    COLOURS,
    ColourEncoder,
    FaultyLocalizer,
    light_engine,
    picture_of,
)

from service.datasets.prototypes import unsaved_dataset
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import DeadlineExceeded
from service.images import DEFAULT_LIMITS, ImageLimits, Picture, decode
from service.models.batch_size import BatchSizes
from service.recognizer import Recognizer
from service.settings import load_settings
from service.stages.options import Limits, Options
from service.watching.canary import Canary, Trial

pytestmark = pytest.mark.anyio
INTERVAL_S, WAIT_S = 0.05, 20


@pytest.fixture
def localizer() -> FaultyLocalizer:
    return FaultyLocalizer()


@pytest.fixture
async def recognizer(localizer: FaultyLocalizer) -> AsyncIterator[Recognizer]:
    engine = light_engine(load_settings(), localizer)
    yield engine.recognizer
    await asyncio.to_thread(engine.recognizer.close)


async def until(canary: Canary, *, failing: bool) -> None:
    async with asyncio.timeout(WAIT_S):
        while (canary.trial.failure is not None) != failing:
            await asyncio.sleep(0)


async def test_idle_models_are_tried_again_and_again(recognizer: Recognizer) -> None:
    canary = Canary(recognizer, INTERVAL_S, WAIT_S)
    canary.prepare()
    watching = asyncio.ensure_future(canary.watch())
    async with asyncio.timeout(WAIT_S):
        while min(worker.batches for worker in recognizer.health().values()) < 3:
            await asyncio.sleep(0)
    watching.cancel()
    assert canary.trial == Trial()
    assert recognizer.memory().entries == 0  # which is for the callers' pictures


async def test_its_age_is_that_of_the_last_proof_that_every_model_works(recognizer: Recognizer) -> None:
    now_s = time.monotonic()
    canary = Canary(recognizer, INTERVAL_S, WAIT_S, clock=lambda: now_s)
    canary.prepare()
    now_s += 1000
    assert canary.age_s < WAIT_S, "the workers have just begun"
    assert all(worker.succeeded_ago_s < WAIT_S for worker in recognizer.health().values())
    await canary.try_and_tell()
    assert canary.age_s == 0
    now_s += 0.001
    assert canary.age_s == pytest.approx(0.001, rel=1e-3)


async def test_models_at_work_are_left_alone(recognizer: Recognizer) -> None:
    canary = Canary(recognizer, 1000, WAIT_S)
    canary.prepare()
    watching = asyncio.ensure_future(canary.watch())
    await asyncio.sleep(0)  # it has looked once
    watching.cancel()
    assert all(worker.batches == 0 for worker in recognizer.health().values())


async def test_a_broken_model_is_noticed_and_so_is_its_recovery(
    recognizer: Recognizer, localizer: FaultyLocalizer
) -> None:
    canary = Canary(recognizer, INTERVAL_S, WAIT_S)
    canary.prepare()
    localizer.broken = True
    watching = asyncio.ensure_future(canary.watch())
    await until(canary, failing=True)
    assert "the localizer failed" in (canary.trial.failure or "")
    localizer.broken = False
    await until(canary, failing=False)
    watching.cancel()


async def test_a_model_that_does_not_answer_has_failed(recognizer: Recognizer, localizer: FaultyLocalizer) -> None:
    canary = Canary(recognizer, INTERVAL_S, patience_s=0.05)
    canary.prepare()
    localizer.locate_s = 0.5
    watching = asyncio.ensure_future(canary.watch())
    await until(canary, failing=True)
    assert canary.trial.failure == "no answer within 0.05 s"
    watching.cancel()


async def test_strangers_pictures_that_hang_the_decoders_are_not_in_its_way() -> None:
    gate, entered = threading.Event(), threading.Semaphore(0)

    def hang(data: bytes, limits: ImageLimits = DEFAULT_LIMITS, small_only: bool = False) -> Picture:
        entered.release()
        assert gate.wait(WAIT_S)
        return decode(data, limits, small_only)

    plain = Limits(max_batch=BatchSizes.all(1), threads=1)
    recognizer = Recognizer(FaultyLocalizer(), ColourEncoder(), plain, elsewhere=hang)
    canary = Canary(recognizer, INTERVAL_S, WAIT_S)
    canary.prepare()
    dataset = unsaved_dataset(DatasetSpec((ClassEntry("red"), ClassEntry("blue"))), ColourEncoder().embed_texts)
    pictures = [picture_of(COLOURS["red"], salt) for salt in range(plain.pictures_at_once + 3)]
    strangers = [asyncio.ensure_future(recognizer.recognize(data, dataset, Options())) for data in pictures]
    assert await asyncio.to_thread(entered.acquire, True, WAIT_S)
    await canary.try_once()
    gate.set()
    answers = await asyncio.gather(*strangers)
    assert {answer.verdict.label for answer in answers} == {"red"}
    await asyncio.to_thread(recognizer.close)


async def test_to_come_too_late_among_many_who_are_served_is_no_failure() -> None:
    localizer = FaultyLocalizer(locate_s=0.05)
    recognizer = Recognizer(localizer, ColourEncoder(), Limits(max_batch=BatchSizes.all(1), threads=2))
    canary = Canary(recognizer, INTERVAL_S, patience_s=0.2)
    canary.prepare()
    dataset = unsaved_dataset(DatasetSpec((ClassEntry("red"), ClassEntry("blue"))), ColourEncoder().embed_texts)
    pictures = [picture_of(COLOURS["red"], salt) for salt in range(20)]
    fields = Options(branches=("full", "fg"))
    strangers = [asyncio.ensure_future(recognizer.recognize(data, dataset, fields)) for data in pictures]
    while recognizer.health()["localizer"].batches < 1:
        await asyncio.sleep(0)
    with pytest.raises(DeadlineExceeded):
        await canary.try_once()
    await canary.try_and_tell()
    assert canary.trial == Trial()
    await asyncio.gather(*strangers)
    await asyncio.to_thread(recognizer.close)


async def test_models_that_the_picture_does_not_reach_are_not_tried_all_the_time(recognizer: Recognizer) -> None:
    canary = Canary(recognizer, interval_s=1000, patience_s=WAIT_S)
    canary.prepare()
    await canary.try_and_tell()
    assert not canary.is_due()
