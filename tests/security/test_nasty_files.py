"""Every row of the table of nasty files, decoded by itself and sent over HTTP."""

import base64
import ctypes
import gc
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import httpx
import psutil
import pytest
from light_service import LIMITS, check_problem, light_client
from nasty_files import TABLE
from nasty_rows import PICTURE, Nasty, Refused, Shown, saved
from PIL import Image

from service.errors import ImageError, ImageTooLarge
from service.images import Picture, decode

DECODE_S, ANSWER_S = 5, 10  # on a busy machine; the slowest take a tenth of it
GROWTH_MIB, MOST_ROUNDS = 2, 12  # that is, 12 KiB for each picture
pytestmark = pytest.mark.anyio
GOOD = saved(PICTURE, "PNG")


def test_the_table_is_long_and_names_each_row_once() -> None:
    assert len(TABLE) > 300
    assert [name for name, times in Counter(row.name for row in TABLE).items() if times > 1] == []


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_each_is_read_rightly_or_refused_rightly(row: Nasty) -> None:
    data = row.make()
    started_s = time.perf_counter()
    try:
        outcome: Picture | ImageError = decode(data, LIMITS)
    except ImageError as error:
        outcome = error
    assert time.perf_counter() - started_s < DECODE_S
    if isinstance(row.expected, Shown):
        assert isinstance(outcome, Picture), outcome
        row.expected.check(outcome)
    else:
        assert isinstance(outcome, ImageError), outcome.rgb.shape
        row.expected.check(outcome)


def test_many_scans_of_many_pixels_are_refused_before_they_are_walked() -> None:
    """A hundred walks over 60 million pixels, in less than half a megabyte."""
    data = saved(Image.new("L", (7750, 7750), 90), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    started_s = time.perf_counter()
    with pytest.raises(ImageTooLarge, match=r"1\d\d scans, too many for 7750 x 7750 pixels"):
        decode(data[:-2] + scan * 100 + b"\xff\xd9")
    assert time.perf_counter() - started_s < 1


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    async with light_client(tmp_path_factory.mktemp("nasty")) as opened:
        yield opened


async def sent(client: httpx.AsyncClient, data: bytes, number: int) -> httpx.Response:
    """In one of the three forms of a request, by its number."""
    if number % 3 == 0:
        return await client.post("/classify", files={"image": ("photo.jpg", data)}, data={"dataset": "colours"})
    if number % 3 == 1:
        headers = {"content-type": "image/jpeg"}  # whatever it is
        return await client.post("/classify", params={"dataset": "colours"}, content=data, headers=headers)
    return await client.post("/classify", json={"image": base64.b64encode(data).decode(), "dataset": "colours"})


def check_answer(answer: httpx.Response, row: Nasty) -> None:
    if isinstance(row.expected, Refused):
        problem = check_problem(answer, row.expected.error.status)
        assert (problem["code"], problem["title"]) == (row.expected.error.code, row.expected.error.title)
        assert row.expected.word in problem["detail"]
        return
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document["image"] == {"width": row.expected.width, "height": row.expected.height}
    assert row.expected.label in (None, document["label"])


def memory_mib() -> float:
    """What this process holds on to, without what the C library keeps for its own later use."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return psutil.Process().memory_info().rss / 2**20


async def wrong_of(client: httpx.AsyncClient, rows: Sequence[tuple[Nasty, bytes]]) -> list[str]:
    """What was answered wrongly; in between, a good picture must be answered rightly."""
    wrong = []
    for number, (row, data) in enumerate(rows):
        started_s = time.perf_counter()
        answer = await sent(client, data, number)
        try:
            check_answer(answer, row)
            assert time.perf_counter() - started_s < ANSWER_S
        except AssertionError as error:
            wrong.append(f"{row.name}: {error}")
        if number % 10 == 0:
            good = await sent(client, GOOD, 0)
            assert (good.status_code, good.json()["label"]) == (200, "red"), row.name
    return wrong


async def test_over_http_each_is_answered_rightly(client: httpx.AsyncClient) -> None:
    assert await wrong_of(client, [(row, row.make()) for row in TABLE]) == []
    assert (await client.get("/livez")).status_code == 200


@pytest.mark.thorough
async def test_sent_again_and_again_they_leave_memory_at_rest(client: httpx.AsyncClient) -> None:
    """The C library takes some rounds to have enough of its own; a leak would go on."""
    rows = [(row, row.make()) for row in TABLE]
    assert await wrong_of(client, rows) == []
    kept_mib = [memory_mib()]
    while len(kept_mib) < 2 or kept_mib[-1] - kept_mib[-2] > GROWTH_MIB:
        assert await wrong_of(client, rows[::2]) == []
        kept_mib.append(memory_mib())
        assert len(kept_mib) < MOST_ROUNDS, kept_mib


async def test_in_a_batch_each_is_refused_alone(client: httpx.AsyncClient) -> None:
    refused = [row for row in TABLE if isinstance(row.expected, Refused)]
    for row in refused[::10]:
        images = [base64.b64encode(data).decode() for data in (GOOD, row.make(), GOOD)]
        headers = {"content-type": "application/json"}
        body = json.dumps({"images": images, "dataset": "colours"})
        answer = await client.post("/classify/batch", content=body, headers=headers)
        results = answer.json()["results"]
        assert [entry["result"] and entry["result"]["label"] if "result" in entry else None for entry in results] == [
            "red",
            None,
            "red",
        ]
        assert isinstance(row.expected, Refused)
        assert results[1]["error"]["code"] == row.expected.error.code, row.name
