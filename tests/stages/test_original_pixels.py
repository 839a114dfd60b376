"""A large picture is reduced when it is decoded; its boxes are told in pixels of the original."""

import io

import pytest
from fakes import COLOURS, ColourEncoder, FakeLocalizer, Start, always, dataset_of
from PIL import Image

from service.images import ImageLimits
from service.recognition.boxes import Box, Detection
from service.stages.options import Options

pytestmark = pytest.mark.anyio
WIDTH, HEIGHT = 2049, 2304  # decoded at a half: 1025 x 1152
FIRST = Detection(Box(100, 200, 400, 800), 0.9, "red")
SECOND = Detection(Box(500, 100, 1025, 1152), 0.6, "red")
X, Y = WIDTH / 1025, HEIGHT / 1152
REDUCED = {"image": ImageLimits(working_pixels=1000)}


@pytest.fixture(scope="module")
def huge() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), COLOURS["green"]).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def edges(found: Detection | None) -> tuple[float, ...]:
    assert found is not None
    return found.box.x0, found.box.y0, found.box.x1, found.box.y1


def original(found: Detection) -> tuple[float, ...]:
    return pytest.approx((found.box.x0 * X, found.box.y0 * Y, found.box.x1 * X, found.box.y1 * Y))


async def test_the_boxes_of_the_picture_and_of_its_objects_are_scaled(start: Start, huge: bytes) -> None:
    encoder = ColourEncoder()
    recognizer = start(FakeLocalizer(always(FIRST, SECOND)), encoder, threads=1, **REDUCED)
    answer = await recognizer.recognize(huge, dataset_of(), Options(objects=2))
    assert [view.shape[:2] for view in encoder.views] == [(1152, 1025), (600, 600), (1052, 1052)]
    assert (answer.width, answer.height) == (WIDTH, HEIGHT)
    assert answer.objects is not None
    assert [edges(found) for found in answer.detections] == [original(FIRST), original(SECOND)]
    assert [edges(entry.detection) for entry in answer.objects] == [original(FIRST), original(SECOND)]
    assert edges(answer.detections[1])[2:] == pytest.approx((WIDTH, HEIGHT))
    assert [(found.score, found.prompt) for found in answer.detections] == [(0.9, "red"), (0.6, "red")]


async def test_the_boxes_of_candidates_are_scaled(start: Start, huge: bytes) -> None:
    localizer = FakeLocalizer(lambda entry: [FIRST] if entry.prompts.prompts == ("green",) else [])
    answer = await start(localizer, **REDUCED).recognize(huge, dataset_of(), Options(candidates=2))
    assert answer.candidates is not None
    assert edges(answer.candidates[0].detection) == original(FIRST)
    assert answer.candidates[1].detection is None
    assert edges(answer.detections[0]) == original(FIRST)


async def test_a_picture_of_ordinary_size_keeps_its_boxes(start: Start, huge: bytes) -> None:
    answer = await start(FakeLocalizer(always(FIRST)), image=ImageLimits(working_pixels=WIDTH * HEIGHT)).recognize(
        huge, dataset_of(), Options()
    )
    assert answer.detections == (FIRST,)
