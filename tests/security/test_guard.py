"""Nothing but the probes answers without a key, no scope does more than it may, and no body is read before."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from key_making import Clock, asking, bearer, made  # type: ignore[import-not-found]
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from service.access.keyfile import remove_key
from service.access.keyring import Keyring
from service.access.keys import new_secret
from service.access.limits import Limits
from service.api.guard import Guard
from service.api.middleware import RequestContext
from service.api.openapi import ALTERNATIVES
from service.api.rules import PROBES, RULES, lies_below, scopes_needed
from service.app import create_app
from service.settings import load_settings
from service.telemetry import key_name

pytestmark = pytest.mark.anyio
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND")
UNKNOWN = ("/", "/nothing", "/metrics", "/classify/", "/datasets/", "/LIVEZ", "/livez/", "/livez/x", "//livez",
           "/readyz/../datasets", "/docs/assets/../../datasets", "/openapi.json/", "/v2", "/v2/health")  # fmt: skip
CLOSED = (401, 403, 429)


class KeyedApp:
    """The whole application, which never loads its models, with a key of each kind."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.file = folder / "keys.json"
        self.both, self.classify, self.manage = (
            made(self.file, name, *scopes)
            for name, scopes in (("both", ()), ("classifier", ("classify",)), ("manager", ("manage",)))
        )
        self.app: FastAPI = create_app(load_settings(keys_file=self.file, data_dir=folder, **settings))


@pytest.fixture
def keyed(tmp_path: Path) -> KeyedApp:
    return KeyedApp(tmp_path)


def walked(routes: Any) -> Iterator[str]:
    """Every address that the router knows, with something in the place of parameters."""
    for route in routes:
        inner = getattr(route, "original_router", None) or route
        if getattr(inner, "routes", None):
            yield from walked(inner.routes)
        path = getattr(route, "path", None)
        if path:
            yield path.format(name="things")
            yield path.format(name="things") + "/swagger-ui.css"


def addresses(app: FastAPI) -> set[str]:
    described = {path.format(name="things") for path in app.openapi()["paths"]}
    found = set(walked(app.routes))
    assert described <= found, "the walk misses routes"
    assert "/docs/assets/swagger-ui.css" in found
    return found | described | set(UNKNOWN)


async def test_nothing_but_the_probes_answers_without_a_key(keyed: KeyedApp) -> None:
    async with asking(keyed.app) as client:
        for path, method in itertools.product(addresses(keyed.app) - set(PROBES), METHODS):
            response = await client.request(method, path)
            assert response.status_code == 401, (method, path)
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.headers["content-type"] == "application/problem+json"
            if method != "HEAD":
                assert response.json()["code"] == "unauthorized"
        for probe in ("/livez", "/readyz", "/startupz"):
            assert (await client.get(probe)).json()["status"] in ("ok", "unavailable")


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer"}, {"Authorization": "Bearer "}, {"Authorization": "Basic {secret}"},
        {"Authorization": "{secret}"}, {"Authorization": "Bearer {secret}x"}, {"Authorization": "Bearer {secret} x"},
        {"Authorization": "Bearer, {secret}"}, {"X-API-Key": ""}, {"X-API-Key": "Bearer {secret}"},
        {"X-API-Key": "wrong", "Authorization": "Bearer {secret}"}, {"Cookie": "key={secret}"}, {"Key": "{secret}"},
        {"Authorization": "Bearer {digest}"}, {"Authorization": "Bearer {other}"},
    ],
)  # fmt: skip
async def test_what_is_no_key_is_refused(keyed: KeyedApp, headers: dict[str, str]) -> None:
    digest = json.loads(keyed.file.read_text())["keys"][0]["sha256"]
    sent = {name: value.format(secret=keyed.both, digest=digest, other=new_secret()) for name, value in headers.items()}
    async with asking(keyed.app, sent) as client:
        for path in ("/models", "/nothing", f"/models?key={keyed.both}&api_key={keyed.both}"):
            response = await client.get(path)
            assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
            assert keyed.both not in response.text


async def test_a_header_that_is_no_text_is_refused(keyed: KeyedApp) -> None:
    for value in (b"\xff\xfe", b"l2r2_\xc3\xa9", b"\x00"):
        async with asking(keyed.app) as client:
            response = await client.get("/models", headers=[(b"x-api-key", value)])
            assert response.status_code == 401


@pytest.mark.parametrize("header", ["Authorization: Bearer {}", "authorization: bearer   {}", "X-API-Key: {}"])
async def test_a_key_is_taken_in_both_forms(keyed: KeyedApp, header: str) -> None:
    name, _, value = header.format(keyed.both).partition(": ")
    async with asking(keyed.app, {name: value}) as client:
        assert (await client.get("/models")).status_code == 503, "models are being loaded"
        missing = await client.get("/nothing")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


MAY: dict[tuple[str, str], tuple[bool, bool]] = {  # whether the scopes classify and manage may
    ("POST", "/classify"): (True, False),
    ("POST", "/classify/batch"): (True, False),
    ("POST", "/datasets"): (False, True),
    ("GET", "/datasets"): (True, True),
    ("GET", "/datasets/{name}"): (True, True),
    ("PUT", "/datasets/{name}"): (False, True),
    ("DELETE", "/datasets/{name}"): (False, True),
    ("GET", "/datasets/{name}/versions"): (True, True),
    ("PUT", "/datasets/{name}/current"): (False, True),
    ("POST", "/datasets/{name}/calibration"): (False, True),
    ("GET", "/models"): (True, True),
    ("GET", "/healthz"): (True, True),
    ("GET", "/v2"): (True, True),
    ("GET", "/v2/models/{name}"): (True, True),
    ("GET", "/v2/models/{name}/ready"): (True, True),
    ("GET", "/metrics"): (True, True),
}


async def test_a_scope_does_what_it_may_and_no_more(keyed: KeyedApp) -> None:
    paths = keyed.app.openapi()["paths"]
    operations = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert {pair for pair in operations if pair[1] not in PROBES} == set(MAY)
    async with asking(keyed.app) as client:
        for (method, path), may in MAY.items():
            for secret, allowed in zip((keyed.classify, keyed.manage, keyed.both), (*may, True), strict=True):
                response = await client.request(method, path.format(name="things"), headers=bearer(secret))
                if allowed:
                    assert response.status_code not in CLOSED, (method, path)
                else:
                    assert (response.status_code, response.json()["code"]) == (403, "forbidden"), (method, path)


async def test_other_methods_of_a_dataset_are_changes(keyed: KeyedApp) -> None:
    async with asking(keyed.app, bearer(keyed.classify)) as client:
        for method in set(METHODS) - {"GET", "HEAD"}:
            assert (await client.request(method, "/datasets/things")).status_code == 403


@pytest.mark.parametrize(
    ("path", "top", "below"),
    [("/docs", "/docs", True), ("/docs/x", "/docs", True), ("/docsx", "/docs", False), ("/", "/", True),
     ("/docs", "/", False), ("/docs/x", "/docs/", True), ("/", "/docs", False), ("", "/", False)],
)  # fmt: skip
async def test_what_lies_below_a_path(path: str, top: str, below: bool) -> None:
    assert lies_below(path, top) is below


@given(method=st.sampled_from([*METHODS, "get", ""]), path=st.text().map("/".__add__) | st.sampled_from(UNKNOWN))
def test_only_the_probes_own_addresses_are_open(method: str, path: str) -> None:
    assert (scopes_needed(method, path) is None) == (path in PROBES)


async def test_public_paths_may_be_read_and_nothing_more(tmp_path: Path) -> None:
    keyed = KeyedApp(tmp_path, public_paths="/docs, /openapi.json,/datasets")
    async with asking(keyed.app) as client:
        for path in ("/docs", "/docs/assets/swagger-ui.css", "/docs/start.js", "/openapi.json"):
            assert (await client.get(path)).status_code == 200
        assert (await client.get("/datasets/things")).status_code == 503
        for path in ("/redoc", "/redoc/assets/redoc.standalone.js", "/models", "/docsx", "/"):
            assert (await client.get(path)).status_code == 401
        for method in set(METHODS) - {"GET", "HEAD"}:
            assert (await client.request(method, "/datasets")).status_code == 401


async def test_without_a_key_file_nobody_is_asked(tmp_path: Path) -> None:
    async with asking(create_app(load_settings(data_dir=tmp_path))) as client:
        assert (await client.get("/models")).status_code == 503
        assert (await client.get("/nothing")).status_code == 404


@pytest.mark.parametrize("with_keys", [True, False])
async def test_openapi_says_who_may(tmp_path: Path, with_keys: bool) -> None:
    app = KeyedApp(tmp_path).app if with_keys else create_app(load_settings(data_dir=tmp_path))
    document = app.openapi()
    assert app.openapi() == document
    assert document["components"]["securitySchemes"]["bearer"] | {"description": ""} == {
        "type": "http", "scheme": "bearer", "description": "",
    }  # fmt: skip
    assert document["components"]["securitySchemes"]["apiKey"]["name"] == "X-API-Key"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path in PROBES:
                assert "security" not in operation
            else:
                assert operation["security"] == ALTERNATIVES + ([] if with_keys else [{}])
                assert {"401", "403", "429"} <= set(operation["responses"])


# Around a tiny application, with clocks that stand


class Tiny:
    """Answers what it read and who asked; `open` holds its answers back while it is not set."""

    def __init__(self) -> None:
        self.open, self.entered = asyncio.Event(), asyncio.Semaphore(0)
        self.open.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.entered.release()
        body = await Request(scope, receive).body()
        await self.open.wait()
        if scope["path"] == "/models/crash":
            raise ZeroDivisionError
        await JSONResponse({"key": key_name.get(), "bytes": len(body)})(scope, receive, send)


class Guarded:
    def __init__(self, file: Path) -> None:
        self.clock, self.inner = Clock(), Tiny()
        self.app = RequestContext(Guard(self.inner, Keyring(file, self.clock), Limits(self.clock)))


async def test_keys_change_while_requests_are_answered(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    old = made(file, "old")
    guarded = Guarded(file)
    async with asking(guarded.app) as client:

        async def status(secret: str) -> int:
            guarded.clock.now_s += 1
            return (await client.get("/models", headers=bearer(secret))).status_code

        assert await status(old) == 200
        new = made(file, "new")
        assert [await status(old), await status(new)] == [200, 200]
        remove_key(file, "old")
        assert [await status(old), await status(new)] == [401, 200]
        file.write_text("{")
        assert [await status(old), await status(new)] == [401, 200]


async def test_an_expired_key_opens_nothing(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    past, future = ("2020-01-01T00:00:00Z", 401), ("2999-01-01T00:00:00+01:00", 200)
    for number, (until, status) in enumerate((past, future)):
        secret = made(file, f"key-{number}")
        document = json.loads(file.read_text())
        document["keys"][number]["expires"] = until
        file.write_text(json.dumps(document))
        async with asking(Guarded(file).app, bearer(secret)) as client:
            assert (await client.get("/models")).status_code == status


async def test_a_rate_is_kept_and_recovers(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    secret, other = made(file, "slow", per_minute=6), made(file, "other")
    guarded = Guarded(file)
    async with asking(guarded.app, bearer(secret)) as client:
        assert [(await client.get("/models")).status_code for _ in range(7)] == [200] * 6 + [429]
        refused = await client.post("/classify", content=b"x" * 100)
        assert (refused.json()["code"], refused.headers["retry-after"]) == ("rate_limited", "10")
        assert (await client.get("/models", headers=bearer(other))).status_code == 200
        assert (await client.get("/livez")).status_code == 200, "a probe has no key and no limit"
        guarded.clock.now_s += 10
        assert [(await client.get("/models")).status_code for _ in range(2)] == [200, 429]


async def test_no_more_requests_at_a_time_than_may_and_room_when_one_ends(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    secret = made(file, "narrow", concurrent=2)
    guarded = Guarded(file)
    guarded.inner.open.clear()
    async with asking(guarded.app, bearer(secret)) as client:
        running = [asyncio.create_task(client.get(path)) for path in ("/models", "/models/crash")]
        for _ in running:
            await guarded.inner.entered.acquire()
        refused = await client.get("/models")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        guarded.inner.open.set()
        done = await asyncio.gather(*running)
        assert [response.status_code for response in done] == [200, 500], "also who crashes makes room"
        both = await asyncio.gather(client.get("/models"), client.get("/models"))
        assert [response.status_code for response in both] == [200, 200]


async def test_who_leaves_makes_room(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    secret = made(file, "narrow", concurrent=1)
    guarded = Guarded(file)
    guarded.inner.open.clear()
    async with asking(guarded.app, bearer(secret)) as client:
        gone = asyncio.create_task(client.get("/models"))
        await guarded.inner.entered.acquire()
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        guarded.inner.open.set()
        assert (await client.get("/models")).status_code == 200


async def test_no_body_is_read_of_who_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    secret = made(file, "reader", "classify", per_minute=1)
    guarded, read = Guarded(file), 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b"x"

    async with asking(guarded.app) as client:
        for headers, path, status in (
            ({}, "/classify", 401), (bearer("wrong"), "/classify", 401), (bearer(secret), "/datasets", 403),
            (bearer(secret), "/classify", 200), (bearer(secret), "/classify", 429),
        ):  # fmt: skip
            assert (await client.post(path, content=body(), headers=headers)).status_code == status
        assert read == 1


async def test_a_declared_length_is_not_even_judged_before_the_key(keyed: KeyedApp) -> None:
    async with asking(keyed.app, {"Content-Length": "999999999999"}) as client:
        assert (await client.post("/classify")).status_code == 401
        assert (await client.post("/classify", headers=bearer(keyed.both))).status_code == 413


async def test_the_name_of_the_key_is_known_inside_and_forgotten_after(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    secret = made(file, "camera-7")
    guarded = Guarded(file)
    async with asking(guarded.app) as client:
        assert (await client.get("/models", headers=bearer(secret))).json()["key"] == "camera-7"
        assert (await client.get("/livez", headers=bearer(secret))).json()["key"] is None
        assert key_name.get() is None


async def test_a_websocket_is_closed(tmp_path: Path) -> None:
    file, sent = tmp_path / "keys.json", []
    made(file, "one")

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await Guarded(file).app({"type": "websocket", "path": "/livez", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_every_rule_names_paths_that_are_there(tmp_path: Path) -> None:
    paths = create_app(load_settings(data_dir=tmp_path)).openapi()["paths"]
    assert {"/livez", "/readyz", "/startupz"} <= {path for path in paths if scopes_needed("GET", path) is None}
    assert all(any(lies_below(path, rule.path) for path in paths) for rule in RULES)
