"""What else is in flight changes no answer."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from fakes import COLOURS, FakeLocalizer, FakeSegmenter, Start, as_png, by_colour, dataset_of, until

from service.models.batch_size import BatchSizes
from service.recognition.answers import Recognition
from service.recognition.fusion import FUSIONS
from service.recognition.priors import Prior
from service.recognition.views import VIEWS
from service.stages.options import Options

pytestmark = pytest.mark.anyio
PRIOR = Prior("counts", {"sea": {"blue": 20.0}})
DATASETS = (
    dataset_of(localizer_prompts=("red", "blue"), priors={"place": PRIOR}),
    dataset_of("blue", "green", localizer_prompts=("blue",), cascade=0.6, cascade_first="fg"),
)
ASKED = (
    Options(),
    Options(branches=tuple(VIEWS), top_k=2),
    Options(objects=3, branches=("full", "fg", "fg_mask")),
    Options(candidates=2),
    Options(cascade=0.6, metadata={"place": "sea"}),
    *(Options(fusion=name) for name, fusion in FUSIONS.items() if fusion.needs is None),
)


def scattered(seed: int) -> bytes:
    """A picture with patches of random colours and places."""
    random = np.random.default_rng(seed)
    rgb = np.empty((random.integers(8, 40), random.integers(8, 40), 3), np.uint8)
    names = list(COLOURS)
    rgb[:] = COLOURS[names[random.integers(4)]]
    for _ in range(4):
        y, x = random.integers(rgb.shape[0] - 2), random.integers(rgb.shape[1] - 2)
        rgb[y : y + random.integers(2, 12), x : x + random.integers(2, 12)] = COLOURS[names[random.integers(4)]]
    return as_png(rgb)


def without_times(answer: Recognition) -> Recognition:
    return replace(answer, timings_ms={})


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("max_batch", [1, 3, 16])
async def test_an_answer_does_not_depend_on_what_else_is_in_flight(start: Start, max_batch: int, overlap: bool) -> None:
    sizes = BatchSizes.all(max_batch)
    recognizer = start(FakeLocalizer(by_colour), None, FakeSegmenter(), max_batch=sizes, overlap=overlap)
    requests = [
        (scattered(number), DATASETS[number % 2], ASKED[number % len(ASKED)]) for number in range(2 * len(ASKED))
    ]
    together = await asyncio.gather(*(recognizer.recognize(*request) for request in requests))
    for request, answer in zip(requests, together, strict=True):
        alone = await recognizer.recognize(*request)
        assert without_times(alone) == without_times(answer)


async def test_pictures_that_wait_share_the_models_calls(start: Start) -> None:
    calls: list[int] = []

    class Counting(FakeLocalizer):
        def locate(self, inputs):  # type: ignore[no-untyped-def]
            found = super().locate(inputs)
            calls.append(len(inputs))
            return found

    localizer = Counting(by_colour)
    localizer.open.clear()
    recognizer = start(localizer, max_batch=BatchSizes.all(8))
    works = [asyncio.ensure_future(recognizer.recognize(scattered(0), DATASETS[0], Options()))]
    await until(lambda: recognizer.health()["localizer"].running_for_s > 0)
    works += [asyncio.ensure_future(recognizer.recognize(scattered(1), DATASETS[0], Options())) for _ in range(5)]
    await until(lambda: recognizer.health()["localizer"].waiting == 5)
    localizer.open.set()
    await asyncio.gather(*works)
    assert calls == [1, 5]
