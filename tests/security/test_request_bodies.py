"""Bodies and headers made to be expensive: each is refused clearly, in bounded time, and the event loop goes on."""

import asyncio
import base64
import gzip
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import psutil
import pytest
import uvicorn
from faults.colour_load import register  # type: ignore[import-not-found]
from light_service import LIMITS, MAX_BODY_BYTES, check_problem, light_client, light_service
from nasty_rows import PICTURE, saved
from running import LightService, RunningService, running  # type: ignore[import-not-found]

from service.serving.options import connection_options

pytestmark = pytest.mark.anyio
GOOD = saved(PICTURE, "PNG")
IMAGE = base64.b64encode(GOOD).decode()
JSON, FORM = "application/json", "multipart/form-data; boundary=b"
ROOM = MAX_BODY_BYTES - 2000
BOUND_S = 10  # on a busy machine; without their bounds several of these took minutes
GROWTH_MIB = 400  # while the largest is looked at
PATHS = ("/classify", "/classify/batch", "/datasets", "/datasets/colours/calibration")


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    async with light_client(tmp_path_factory.mktemp("bodies")) as opened:
        yield opened


async def post(client: httpx.AsyncClient, path: str, body: bytes, content_type: str = JSON) -> httpx.Response:
    return await client.post(path, content=body, headers={"content-type": content_type})


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000, b'{"dataset":' + b"[" * 100_000],
    ids=["lists", "closed lists", "objects", "in a field"],
)
async def test_deep_nesting_is_no_json(client: httpx.AsyncClient, path: str, body: bytes) -> None:
    check_problem(await post(client, path, body), 400)


def filled(head: bytes, piece: bytes, tail: bytes) -> bytes:
    """As many pieces as a body may hold."""
    return head + piece * ((ROOM - len(head) - len(tail)) // len(piece)) + tail


def numbered(head: bytes, tail: bytes) -> bytes:
    return head + b",".join(b'"%d":1' % number for number in range(400_000)) + tail


ONE = b'{"name":"x","classes":["a"],'
ASK = b'{"dataset":"colours","image":"' + IMAGE.encode() + b'",'
ITEM = b'{"items":[{"label":"red","embeddings":{"full":['
MANY: dict[str, tuple[str, Callable[[], bytes]]] = {
    "wrong classes": ("/datasets", lambda: filled(b'{"name":"x","classes":[', b"1,", b"1]}")),
    "empty classes": ("/datasets", lambda: filled(b'{"name":"x","classes":[', b'"",', b'""]}')),
    "classes that are lists": ("/datasets", lambda: filled(b'{"name":"x","classes":[', b"[],", b"1]}")),
    "branches": ("/datasets", lambda: filled(ONE + b'"branches":[', b'"full",', b'"full"]}')),
    "a hundred thousand branches": ("/datasets", lambda: ONE + b'"branches":[' + b'"full",' * 10**5 + b'"full"]}'),
    "calibrated branches": ("/datasets", lambda: ONE + b'"calibration":{"branches":[' + b'"fg",' * 10**5 + b'"fg"]}}'),
    "empty templates": ("/datasets", lambda: ONE + b'"templates":[' + b'"",' * 900_000 + b'""]}'),
    "prompts to look for": ("/datasets", lambda: filled(ONE + b'"localizer_prompts":[', b'"",', b'""]}')),
    "priors": ("/datasets", lambda: numbered(ONE + b'"priors":{"p":{"counts":{"v":{', b"}}}}}")),
    "a prior": ("/datasets", lambda: numbered(ONE + b'"class_prior":{', b"}}")),
    "fields of a dataset": ("/datasets", lambda: numbered(ONE, b"}")),
    "fields": ("/classify", lambda: numbered(ASK, b"}")),
    "branches asked for": ("/classify", lambda: ASK + b'"branches":[' + b'"full",' * 10**5 + b'"full"]}'),
    "metadata": ("/classify", lambda: numbered(ASK + b'"metadata":{', b"}}")),
    "lists in a list": ("/classify", lambda: filled(b"[", b"[],", b"1]")),
    "pictures": ("/classify/batch", lambda: filled(b'{"dataset":"colours","images":[', b'"",', b'""]}')),
    "items": (PATHS[3], lambda: b'{"items":[' + b"{}," * 90_000 + b"{}]}"),
    "numbers of a vector": (PATHS[3], lambda: filled(ITEM, b"1,", b"1]}}]}")),
    "lists in a vector": (PATHS[3], lambda: filled(ITEM, b"[],", b"1]}}]}")),
    "branches to calibrate": (PATHS[3], lambda: b'{"items":[],"branches":[' + b'"fg",' * 10**5 + b'"fg"]}'),
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """In a process of its own, where nothing else takes memory."""
    folder = tmp_path_factory.mktemp("alone")
    limits = {"max_body_bytes": MAX_BODY_BYTES, "max_image_bytes": LIMITS.max_bytes, "max_batch_images": 4}
    settings = {"data_dir": folder, "max_image_pixels": LIMITS.max_pixels, "max_top_k": 50, **limits}
    with running(folder / "log", LightService, **{name: str(value) for name, value in settings.items()}) as service:
        register(service.url)
        yield service


@pytest.mark.parametrize("name", MANY)
def test_too_many_of_anything_are_refused_soon(alone: RunningService, name: str) -> None:
    path, make = MANY[name]
    body, process = make(), psutil.Process(alone.process.pid)
    before_mib = process.memory_info().rss / 2**20
    started_s = time.perf_counter()
    answer = httpx.post(f"{alone.url}{path}", content=body, headers={"content-type": JSON}, timeout=60)
    problem = check_problem(answer, 400, 422)
    assert time.perf_counter() - started_s < BOUND_S
    assert len(json.dumps(problem)) < 20_000
    assert process.memory_info().rss / 2**20 - before_mib < GROWTH_MIB


LISTS = b"[]," * 10**6
SLOW = {
    "classes": ("POST", "/datasets", b'{"name":"x","classes":[' + LISTS + b"1]}"),
    "a vector": ("POST", PATHS[3], ITEM + LISTS + b"1]}}]}"),
    "a version": ("PUT", "/datasets/colours/current", b'{"version":[' + LISTS + b"1]}"),
}


@pytest.mark.parametrize("name", SLOW)
async def test_while_a_body_is_parsed_others_are_answered(client: httpx.AsyncClient, name: str) -> None:
    """Against the time that the standard library's parser takes for it, in which nobody would be. Times are the
    process's own, whatever else the machine does."""
    method, path, body = SLOW[name]
    began_s = time.process_time()
    json.loads(body)
    alone_s = time.process_time() - began_s
    waits_s: list[float] = []
    asking = asyncio.ensure_future(client.request(method, path, content=body, headers={"content-type": JSON}))
    while not asking.done():
        began_s = time.process_time()
        await asyncio.sleep(0.001)
        waits_s.append(time.process_time() - began_s)
    check_problem(await asking, 400, 422)
    assert len(waits_s) > 1
    assert max(waits_s) < alone_s / 4


PART = b'--b\r\nContent-Disposition: form-data; name="a"'
FORMS = {
    "100,000 fields": PART + b"\r\n\r\n\r\n" + (PART + b"\r\n\r\n\r\n") * 100_000 + b"--b--",
    "100,000 files": (PART + b'; filename="f"\r\n\r\n\r\n') * 60_000 + b"--b--",
    "a header of megabytes": b"--b\r\na: " + b"x" * ROOM,
    "a million headers": b"--b\r\n" + b"a: b\r\n" * 10**6,
    "boundaries alone": b"--b\r\n" * 10**6,
    "almost boundaries": PART + b'; filename="f"\r\n\r\n' + b"\r\n--" * 10**6 + b"\r\n--b--",
    "carriage returns": PART + b'; filename="f"\r\n\r\n' + b"\r" * ROOM + b"\r\n--b--",
    "a field of megabytes": PART + b"\r\n\r\n" + b"x" * ROOM + b"\r\n--b--",
    "an epilogue of megabytes": b"--b--" + b"x" * ROOM,
    "no boundary at all": b"x" * ROOM,
    "nothing": b"",
    "no end": PART + b'; filename="f"\r\n\r\nx',
}


@pytest.mark.parametrize("name", FORMS)
async def test_expensive_forms_are_refused_soon(client: httpx.AsyncClient, name: str) -> None:
    started_s = time.perf_counter()
    check_problem(await post(client, "/classify", FORMS[name], FORM), 400, 413, 422)
    assert time.perf_counter() - started_s < BOUND_S / 2


@pytest.mark.parametrize(
    "parameters", ["", "; boundary=", "; boundary=" + "b" * 300, '; boundary="', "; boundary=b; boundary=c"]
)
async def test_strange_boundaries(client: httpx.AsyncClient, parameters: str) -> None:
    check_problem(await post(client, "/classify", FORMS["no end"], "multipart/form-data" + parameters), 400, 422)


NUMBERS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "9" * 4000,
    "9" * 5000,
    "1e-999",
    "-0.5",
    '"NaN"',
    "[]",
    "true",
)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:9])
async def test_numbers_that_are_none_are_refused_everywhere(client: httpx.AsyncClient, number: str) -> None:
    """1e-999 is 0, and a good part of one."""
    for field in ("box_threshold", "box_margin", "blur", "cascade", "abstain_below", "wide_margin"):
        if number == "1e-999" or (number == "true" and field):
            continue
        ask = ASK.decode() + f'"{field}":{number}}}'
        check_problem(await post(client, "/classify", ask.encode()), 400, 422)
        dataset = ONE.decode() + f'"{field}":{number}}}'
        check_problem(await post(client, "/datasets", dataset.encode()), 400, 422)
    for field in ("top_k", "objects", "candidates"):
        if number != "true" and not number.startswith("1e-"):
            check_problem(await post(client, "/classify", (ASK.decode() + f'"{field}":{number}}}').encode()), 400, 422)
    for calibration in (f'{{"temperatures":{{"full":[{number}]}}}}', f'{{"weights":{{"full":{number}}}}}'):
        if number not in ("1e-999", "true"):
            dataset = ONE.decode() + f'"calibration":{calibration}}}'
            check_problem(await post(client, "/datasets", dataset.encode()), 400, 422)


async def test_of_a_key_given_twice_the_last_counts(client: httpx.AsyncClient) -> None:
    answer = await post(client, "/classify", ASK + b'"top_k":3,"top_k":1}')
    assert len(answer.json()["scores"]) == 1
    answer = await post(client, "/classify", ASK + b'"dataset":"none"}')
    assert check_problem(answer, 404)["code"] == "dataset_not_found"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "\u00ff", "x" * 5000])
async def test_compressed_bodies_are_refused(client: httpx.AsyncClient, coding: str) -> None:
    body = gzip.compress(ASK + b'"top_k":1}')
    for path in PATHS:
        headers = {"content-type": JSON.encode(), "content-encoding": coding.encode()}
        problem = check_problem(await client.post(path, content=body, headers=headers), 415)
        assert (problem["code"], "Content-Encoding" in problem["detail"]) == ("unsupported_media_type", True)
    headers = {"content-type": b"image/png", "content-encoding": b"identity"}
    answer = await client.post("/classify", content=GOOD, headers=headers, params={"dataset": "colours"})
    assert answer.status_code == 200


@pytest.fixture
async def port(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[int]:
    """Of the light service behind the web server that the command line starts too."""
    async with light_service(tmp_path_factory.mktemp("served")) as app:
        options = connection_options(app.state.service.settings)
        config = uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False, **options)
        server = uvicorn.Server(config)
        serving = asyncio.ensure_future(server.serve())
        async with asyncio.timeout(20):
            while not server.started:
                await asyncio.sleep(0)
        yield server.servers[0].sockets[0].getsockname()[1]
        server.should_exit = True
        await serving


async def answer_to(port: int, head: bytes, body: AsyncIterator[bytes] | None = None) -> tuple[bytes, int]:
    """What came, and how much of the body had been sent by then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    answering, sent = asyncio.ensure_future(reader.read(2000)), 0
    try:
        async for piece in body or _nothing():
            if answering.done():
                break
            writer.write(piece)
            sent += len(piece)
            await writer.drain()
    except ConnectionError:
        pass  # refused already
    async with asyncio.timeout(BOUND_S):
        answer = await answering
    writer.close()
    return answer, sent


async def _nothing() -> AsyncIterator[bytes]:
    for piece in ():
        yield piece


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield b"10000\r\n" + b"x" * 0x10000 + b"\r\n"


async def test_heads_and_lengths_over_a_real_connection(port: int) -> None:
    post_head = b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    answer, _ = await answer_to(port, post_head + b"Content-Length: 1073741824\r\n\r\n")
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert b"body_too_large" in answer
    answer, sent = await answer_to(port, post_head + b"Transfer-Encoding: chunked\r\n\r\n", _endless())
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert MAX_BODY_BYTES < sent < 4 * MAX_BODY_BYTES
    get = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
    for head in (get + b"X: " + b"y" * 10**6, b"GET /" + b"a" * 10**6 + b" HTTP/1.1\r\nHost: localhost"):
        answer, _ = await answer_to(port, head + b"\r\n\r\n")
        assert answer == b"" or answer.split(b" ")[1] in (b"400", b"414", b"431"), answer[:200]
    many = get + b"".join(b"X-%d: y\r\n" % number for number in range(10_000))
    started_s = time.perf_counter()
    answer, _ = await answer_to(port, many + b"\r\n")
    assert answer.split(b" ")[1] in (b"200", b"400", b"431")  # by how much of it has come at once
    assert time.perf_counter() - started_s < BOUND_S
    answer, _ = await answer_to(port, get + b"\r\n")
    assert b" 200 " in answer.split(b"\r\n")[0]
