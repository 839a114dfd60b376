"""Pictures by address, through the routes: real models behind, local servers that stand for public ones before."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trustme
from asking import answer_to, encoded, unchanging
from fastapi import FastAPI
from https_servers import PUBLIC, Answer, Network, hangs_after, response, sends, serving, tls_for, trusting

from service.api import classify, problems
from service.api.state import State
from service.errors import SettingsError
from service.fetching.fetch import Fetcher, FetchLimits
from service.settings import load_settings

pytestmark = pytest.mark.anyio
URL = "https://good.example/photo.jpg"
LIMITS = FetchLimits(timeout_s=20, max_bytes=4 * 2**20, at_once=2)
WAIT_S = 30


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trust(authority: trustme.CA) -> ssl.SSLContext:
    return trusting(authority)


@asynccontextmanager
async def by_url(
    app: FastAPI, authority: trustme.CA, trust: ssl.SSLContext, answer: Answer
) -> AsyncIterator[tuple[FastAPI, Fetcher, Network]]:
    """The service with fetching on, whose network is one server, good.example, that answers so."""
    async with serving(answer, tls_for(authority, "good.example")) as server:
        network = Network({"good.example": [[PUBLIC]], "inside.example": [["10.0.0.7"]]}, {PUBLIC: server.port})
        fetcher = Fetcher(LIMITS, network.resolve, network.connect, trust)
        fetching = FastAPI()
        fetching.include_router(classify.router)
        problems.install(fetching)
        running: State = app.state.service
        fetching.state.service = State(running.settings, fetcher, running.parts)
        yield fetching, fetcher, network
        fetcher.close()


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service", timeout=120)


async def test_a_picture_by_address_gets_the_answer_of_the_picture(
    app: FastAPI,
    client: httpx.AsyncClient,
    things: str,
    photographs: dict[str, bytes],
    authority: trustme.CA,
    trust: ssl.SSLContext,
) -> None:
    expected = unchanging(await answer_to(client, photographs["rocket"], dataset=things))
    async with by_url(app, authority, trust, sends(response(photographs["rocket"]))) as (fetching, fetcher, network):
        async with client_of(fetching) as asking:
            as_json = await asking.post("/classify", json={"image_url": URL, "dataset": things})
            as_form = await asking.post("/classify", files={"image_url": (None, URL), "dataset": (None, things)})
        for answer in (as_json, as_form):
            assert answer.status_code == 200, answer.text
            assert unchanging(answer.json()) == expected
        assert (network.connected, fetcher.inside) == ([(PUBLIC, 443)] * 2, 0)


async def test_a_batch_by_address_has_an_answer_or_an_error_for_each(
    app: FastAPI, things: str, photographs: dict[str, bytes], authority: trustme.CA, trust: ssl.SSLContext
) -> None:
    urls = [URL, "https://inside.example/", "https://127.0.0.1/", URL]
    async with by_url(app, authority, trust, sends(response(photographs["rocket"]))) as (fetching, _, network):
        async with client_of(fetching) as asking:
            as_json = await asking.post("/classify/batch", json={"image_urls": urls, "dataset": things})
            pairs: list[Any] = [("image_urls", (None, url)) for url in urls]
            as_form = await asking.post("/classify/batch", files=[*pairs, ("dataset", (None, things))])
        for answer in (as_json, as_form):
            assert answer.status_code == 200, answer.text
            results = answer.json()["results"]
            assert [item["result"]["label"] for item in results if item.get("result")] == ["rocket", "rocket"]
            errors = [item["error"] for item in results if item.get("error")]
            assert [error["code"] for error in errors] == ["url_refused", "url_refused"]
            assert [error["errors"][0]["field"] for error in errors] == ["image_urls[1]", "image_urls[2]"]
        assert network.connected == [(PUBLIC, 443)] * 4


@pytest.mark.parametrize(
    ("sent", "url", "status", "code", "words"),
    [
        (response(b"secret", 404), URL, 422, "url_failed", "status 404"),
        (response(b"", length=LIMITS.max_bytes + 1), URL, 413, "image_too_large", "more than the 4194304 bytes"),
        (response(b"no picture"), URL, 415, "image_unsupported", ""),
        (response(b""), URL, 422, "image_unreadable", "empty"),
        (response(b"", 302, "Location: https://10.0.0.7/"), URL, 422, "url_refused", "not public"),
        (response(b"", 302, "Location: http://a.example/"), URL, 422, "url_refused", "redirects to an address that"),
        (b"", "https://inside.example/", 422, "url_refused", "not public"),
        (b"", "http://good.example/", 422, "url_refused", "must begin with https://"),
        (b"", "https://good.example:8080/", 422, "url_refused", "must use port 443"),
        (b"", "", 422, "url_refused", "must begin with https://"),
    ],
)
async def test_an_address_that_leads_to_no_picture_is_refused_clearly(
    app: FastAPI,
    things: str,
    authority: trustme.CA,
    trust: ssl.SSLContext,
    sent: bytes,
    url: str,
    status: int,
    code: str,
    words: str,
) -> None:
    async with by_url(app, authority, trust, sends(sent)) as (fetching, fetcher, _), client_of(fetching) as asking:
        answer = await asking.post("/classify", json={"image_url": url, "dataset": things})
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (status, code), problem
        assert words in problem["detail"]
        assert "secret" not in answer.text
        assert "10.0.0.7" not in answer.text
        assert ("errors" in problem) == code.startswith("url")
        assert fetcher.inside == 0


async def test_who_leaves_while_his_picture_is_fetched_leaves_nothing_behind(
    app: FastAPI, things: str, authority: trustme.CA, trust: ssl.SSLContext
) -> None:
    parts = app.state.service.parts
    async with by_url(app, authority, trust, hangs_after(b"HTTP/1.1 200 OK\r\n\r\nbegun")) as (fetching, fetcher, net):
        waiting = [{"type": "http.request", "body": encode(image_url=URL, dataset=things), "more_body": False}]
        sent: list[Any] = []
        inside: list[tuple[int, int]] = []

        async def receive() -> Any:
            if waiting:
                return waiting.pop()
            while not net.read_bytes:
                await asyncio.sleep(0)
            inside.append((fetcher.inside, parts.recognizer.admission.occupancy.inside))
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/classify", "headers": headers, "query_string": b""}
        async with asyncio.timeout(WAIT_S):
            await fetching(scope, receive, send)
            assert sent[0]["status"] == 499
            assert inside == [(1, 0)], "no place among the recognized is taken"
            while fetcher.inside:
                await asyncio.sleep(0)


@pytest.mark.parametrize("plural", [False, True])
async def test_the_time_of_a_request_covers_the_fetching_too(
    app: FastAPI, things: str, authority: trustme.CA, trust: ssl.SSLContext, plural: bool
) -> None:
    path, asked = ("/classify/batch", {"image_urls": [URL, URL]}) if plural else ("/classify", {"image_url": URL})
    async with by_url(app, authority, trust, hangs_after(b"HTTP/1.1 200 OK\r\n\r\nbegun")) as (fetching, fetcher, _):
        async with client_of(fetching) as asking, asyncio.timeout(LIMITS.timeout_s / 2):
            headers = {"X-Request-Timeout-Ms": "300"}
            answer = await asking.post(path, json={"dataset": things, **asked}, headers=headers)
        found = answer.json()
        problems_found = [item["error"] for item in found["results"]] if plural else [found]
        assert [(one["status"], one["code"]) for one in problems_found] == [(504, "deadline_exceeded")] * (1 + plural)
        assert "0.3 s" in problems_found[0]["detail"]
        assert fetcher.inside == 0


def encode(**document: str) -> bytes:
    return httpx.Request("POST", "http://service", json=document).content


@pytest.mark.parametrize(
    ("path", "body", "field", "words"),
    [
        ("/classify", {"image_url": URL}, "image_url", "L2R2_FETCH_URLS=true"),
        ("/classify/batch", {"image_urls": [URL]}, "image_urls[0]", "L2R2_FETCH_URLS=true"),
        ("/classify", {"image_url": URL, "image": encoded(b"picture")}, "image_url", "is given besides image"),
        ("/classify/batch", {"image_urls": [URL], "images": ["AAAA"]}, "image_urls", "is given besides images"),
        ("/classify", {"image_url": 5}, "image_url", "must be a string"),
        ("/classify", {"image_url": [URL]}, "image_url", "must be a string"),
        ("/classify", {"image_url": None}, "image", "is missing"),
        ("/classify", {"image_urls": [URL]}, "image", "is missing"),
        ("/classify/batch", {"image_urls": URL}, "image_urls", "must be a list of addresses"),
        ("/classify/batch", {"image_urls": [URL, 5]}, "image_urls[1]", "must be a string"),
        ("/classify/batch", {"image_urls": [URL] * 5}, "image_urls", "holds 5 pictures; at most 4"),
    ],
)
async def test_where_fetching_is_off_or_the_field_is_wrong_it_is_said(
    client: httpx.AsyncClient, things: str, path: str, body: dict[str, Any], field: str, words: str
) -> None:
    answer = await client.post(path, json={"dataset": things, **body})
    problem = answer.json()
    assert answer.status_code == 422, problem
    assert (problem["errors"][0]["field"], words in problem["errors"][0]["detail"]) == (field, True), problem


async def test_a_raw_body_is_a_picture_and_has_no_address(client: httpx.AsyncClient, things: str) -> None:
    parameters = {"dataset": things, "image_url": URL}
    answer = await client.post("/classify", params=parameters, content=b"x", headers={"Content-Type": "image/jpeg"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "image_url")


async def test_the_form_takes_one_address(client: httpx.AsyncClient, things: str) -> None:
    pairs: list[Any] = [("image_url", (None, URL)), ("image_url", (None, URL)), ("dataset", (None, things))]
    answer = await client.post("/classify", files=pairs)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "image_url")


def test_hosts_that_are_no_names_stop_the_start() -> None:
    assert load_settings(fetch_hosts="a.example, *.b.example").fetch_hosts == "a.example, *.b.example"
    for wrong in ("localhost", "*", "https://a.example", "a.example b.example", "a.example:443", "a.*.example"):
        with pytest.raises(SettingsError, match="L2R2_FETCH_HOSTS"):
            load_settings(fetch_hosts=wrong)
