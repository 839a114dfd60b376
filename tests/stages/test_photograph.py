"""A picture's pixels are decoded once, when they are needed, and only so many pictures are decoded at a time."""

import asyncio
import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes import COLOURS, WAIT_S, picture_of, pixels_of, until
from PIL import Image

from service.errors import ImageTruncated
from service.images import DEFAULT_LIMITS, ImageLimits, Picture, decode
from service.images.memory import LARGE_BYTES, one_large_at_a_time
from service.models.batch_size import BatchSizes
from service.stages.memory import Memory
from service.stages.options import Limits
from service.stages.photograph import Decoding
from service.telemetry import Stopwatch

pytestmark = pytest.mark.anyio
PICTURES = [picture_of(colour, size=(width, 5)) for colour in COLOURS for width in (6, 7)]
LIMITS = Limits(max_batch=BatchSizes.all(1), threads=1)
PLACES = LIMITS.pictures_at_once


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


class Gated:
    """Decodes elsewhere, once it is let."""

    def __init__(self) -> None:
        self.gate, self.calls = threading.Event(), 0

    def __call__(self, data: bytes, limits: ImageLimits = DEFAULT_LIMITS, small_only: bool = False) -> Picture:
        self.calls += 1
        assert self.gate.wait(WAIT_S)
        return decode(data, limits, small_only)


def decoding(pool: ThreadPoolExecutor, memory_bytes: int = 2**20) -> Decoding:
    return Decoding(Memory(memory_bytes, ["encoder 1"]), LIMITS, pool)


class Crowd:
    """Each opens a picture, asks for its pixels and leaves when the gate is opened."""

    def __init__(self, shared: Decoding) -> None:
        self.shared, self.gate = shared, asyncio.Event()
        self.opened: list[bytes] = []
        self.decoded: list[Picture] = []

    async def one(self, data: bytes) -> None:
        async with self.shared.opened(data, Stopwatch()) as photo:
            self.opened.append(data)
            self.decoded.append(await photo.picture())
            await self.gate.wait()


@pytest.mark.parametrize("known", [False, True])
async def test_those_that_have_no_place_wait_as_bytes_but_known_ones_are_opened(
    pool: ThreadPoolExecutor, known: bool
) -> None:
    shared = decoding(pool)
    for data in PICTURES if known else ():
        async with shared.opened(data, Stopwatch()):
            pass
    crowd = Crowd(shared)
    works = [asyncio.ensure_future(crowd.one(data)) for data in PICTURES]
    await until(lambda: len(crowd.decoded) == PLACES and len(crowd.opened) == (len(PICTURES) if known else PLACES))
    for _ in range(5):  # those that could be decoded would be by now: the pool has been through all that it was given
        await asyncio.wrap_future(pool.submit(len, ()))
    assert len(crowd.decoded) == PLACES
    crowd.gate.set()
    await asyncio.gather(*works)
    assert sorted(picture.rgb.tobytes() for picture in crowd.decoded) == sorted(
        pixels_of(data).tobytes() for data in PICTURES
    )


async def test_many_who_ask_at_once_get_the_same_pixels_and_the_time_of_one_decoding(pool: ThreadPoolExecutor) -> None:
    shared, watch = decoding(pool), Stopwatch()
    async with shared.opened(PICTURES[0], Stopwatch()):
        pass
    async with shared.opened(PICTURES[0], watch) as photo:
        assert "decode" not in watch.stages_ms
        first, *others = await asyncio.gather(*(photo.picture() for _ in range(4)))
        assert all(picture is first for picture in others)
        assert (photo.frame.width, photo.frame.height, photo.frame.scale) == (6, 5, (1.0, 1.0))


async def test_one_who_leaves_while_he_waits_takes_no_place(pool: ThreadPoolExecutor) -> None:
    shared = decoding(pool)
    crowd = Crowd(shared)
    works = [asyncio.ensure_future(crowd.one(data)) for data in PICTURES]
    await until(lambda: len(crowd.decoded) == PLACES)
    for work in works:
        work.cancel()
    await asyncio.wait(works)
    async with shared.opened(PICTURES[0], Stopwatch()) as photo:
        assert (await photo.picture()).width == 6


async def test_what_hangs_elsewhere_keeps_no_thread_of_the_pool_from_its_work(pool: ThreadPoolExecutor) -> None:
    elsewhere = Gated()
    shared = Decoding(Memory(2**20, ["encoder 1"]), LIMITS, pool, elsewhere)
    crowd = Crowd(shared)
    crowd.gate.set()
    works = [asyncio.ensure_future(crowd.one(data)) for data in PICTURES]
    await until(lambda: elsewhere.calls == LIMITS.threads)
    async with asyncio.timeout(WAIT_S):
        await asyncio.wrap_future(pool.submit(len, ()))
    assert not crowd.decoded
    elsewhere.gate.set()
    await asyncio.gather(*works)
    assert elsewhere.calls == len(crowd.decoded) == len(PICTURES)
    shared.close()


async def test_large_pictures_that_wait_for_each_other_are_in_nobodys_way(pool: ThreadPoolExecutor) -> None:
    shared = decoding(pool)
    crowd = Crowd(shared)
    crowd.gate.set()
    buffer = io.BytesIO()
    Image.new("1", (5800, 5800)).save(buffer, "PNG")
    with one_large_at_a_time(LARGE_BYTES):
        large = [asyncio.ensure_future(crowd.one(buffer.getvalue())) for _ in range(PLACES + 1)]
        await until(shared.large_turn.locked)
        async with asyncio.timeout(WAIT_S):
            await asyncio.gather(*(crowd.one(data) for data in PICTURES))
        assert all(picture.width < 10 for picture in crowd.decoded)
    for work in large[1:]:
        work.cancel()
    await asyncio.wait(large)
    assert crowd.decoded[-1].width == 5800
    shared.close()


@pytest.mark.parametrize("memory_bytes", [0, 2**20])
async def test_bytes_that_are_no_picture_are_refused_and_give_their_place_back(
    pool: ThreadPoolExecutor, memory_bytes: int
) -> None:
    shared = decoding(pool, memory_bytes)
    for _ in range(PLACES + 1):
        with pytest.raises(ImageTruncated):
            async with shared.opened(PICTURES[0][:40], Stopwatch()):
                pass
    assert shared.memory.state().entries == 0
