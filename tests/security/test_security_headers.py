"""What browsers are told: on pages, answers and refusals, whoever gives them; and whose pages may ask."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from key_making import asking, bearer, made  # type: ignore[import-not-found]
from starlette.requests import Request

from service.answer_headers import API_POLICY
from service.app import create_app
from service.errors import SettingsError
from service.settings import load_settings

pytestmark = pytest.mark.anyio
PAGES = ("/docs", "/redoc")
ORIGIN = "https://shop.example"


@pytest.fixture
def secret(tmp_path: Path) -> str:
    made_one: str = made(tmp_path / "keys.json", "one")
    return made_one


async def crash(_request: Request) -> None:
    raise ZeroDivisionError


def app_with(folder: Path, **settings: Any) -> FastAPI:
    app = create_app(load_settings(keys_file=folder / "keys.json", data_dir=folder, **settings))
    app.add_route("/crash", crash, methods=["GET", "POST"])
    return app


ASKED = (
    ("GET", "/livez", 200), ("GET", "/readyz", 503), ("GET", "/models", 503), ("GET", "/nothing", 404),
    ("PATCH", "/datasets", 405), ("POST", "/classify", 413), ("POST", "/crash", 500), ("GET", "/openapi.json", 200),
    ("GET", "/docs/assets/swagger-ui.css", 200), ("GET", "/docs/assets/nothing", 404),
    *(("GET", page, 200) for page in PAGES),
)  # fmt: skip


@pytest.mark.parametrize(("method", "path", "status"), ASKED)
async def test_every_answer_has_them(tmp_path: Path, secret: str, method: str, path: str, status: int) -> None:
    length = {"Content-Length": "99999999999"} if status == 413 else {}
    async with asking(app_with(tmp_path), length) as client:
        answers = [await client.request(method, path, headers=bearer(secret)), await client.request(method, path)]
    assert [answer.status_code for answer in answers] == [status, status if path in ("/livez", "/readyz") else 401]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == (
            "no-cache" if answer.url.path.endswith(".css") and answer.is_success else "no-store"
        )
        assert answer.headers["x-request-id"]
        is_page = path in PAGES and answer.is_success
        assert (answer.headers["content-security-policy"] == API_POLICY) is not is_page


KEY_OF_NOBODY = {"X-API-Key": "nobody's"}
REFUSALS = (
    ("/classify", {"Content-Length": "99999999999"}, 413, "body_too_large"),
    ("/classify", {"Content-Length": "many"}, 400, "malformed_request"),
    ("/classify", {"Content-Encoding": "gzip"}, 415, "unsupported_media_type"),
    ("/classify", {}, 503, "not_ready"),
    ("/datasets", {}, 503, "not_ready"),
    ("/nothing", {}, 404, "not_found"),
    ("/livez", {}, 405, "method_not_allowed"),
    ("/classify", {"Host": "evil.example"}, 403, "forbidden"),
    ("/classify", KEY_OF_NOBODY, 401, "unauthorized"),
    ("/crash", {}, 500, "internal_error"),
)


@pytest.mark.parametrize(("path", "headers", "status", "code"), REFUSALS)
async def test_so_does_every_refusal_by_whichever_layer_and_a_page_that_may_ask_can_read_it(
    tmp_path: Path, secret: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    """Behind keys, and without any where the name of the host counts."""
    kept = {} if status == 403 else {"keys_file": tmp_path / "keys.json"}
    app = create_app(load_settings(data_dir=tmp_path, cors_origins=ORIGIN, **kept))
    app.add_route("/crash", crash, methods=["GET", "POST"])
    address = "http://127.0.0.1:8000" if status == 403 else "http://service"
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=address, headers={"Origin": ORIGIN}) as client:
        own = headers if status in (401, 403) else bearer(secret) | headers
        body = b"{}" if "Content-Length" not in headers else None
        answer = await client.post(path, headers={"Content-Type": "application/json"} | own, content=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == API_POLICY
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("path", ["/livez", "/startupz", "/readyz"])
async def test_probes_may_ask_for_the_head_alone(tmp_path: Path, secret: str, path: str) -> None:
    async with asking(app_with(tmp_path)) as client:
        whole, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert (head.headers["cache-control"], head.headers["x-content-type-options"]) == ("no-store", "nosniff")


async def test_the_pages_load_from_here_alone_and_all_that_they_load_is_there(tmp_path: Path, secret: str) -> None:
    async with asking(app_with(tmp_path), bearer(secret)) as client:
        for path in PAGES:
            page = await client.get(path)
            rules = dict(rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; "))
            assert rules["default-src"] == rules["frame-ancestors"] == "'none'"
            assert rules["script-src"] == rules["connect-src"] == "'self'"
            assert not re.search(r"https?:|unsafe-eval|\*", page.headers["content-security-policy"])
            assert not re.search(r"<script(?! src=)|\son\w+=|https?://", page.text), "no script inside the page"
            loaded = re.findall(r'(?:src|href|url)="(?!data:)([^"]+)"', page.text)
            assert len(loaded) >= 2
            for address in [*loaded, "openapi.json"]:
                part = await client.get("/" + address)
                assert part.status_code == 200
                assert len(part.content) > 100
        start = (await client.get("/docs/start.js")).text
        assert "SwaggerUIBundle(" in start
        assert '"openapi.json"' in start
        known = await client.get("/docs/assets/swagger-ui-bundle.js")
        again = await client.get("/docs/assets/swagger-ui-bundle.js", headers={"If-None-Match": known.headers["etag"]})
        assert (known.status_code, again.status_code) == (200, 304)
        for path in ("/docs/assets/../__init__.py", "/docs/assets/%2e%2e/__init__.py", "/docs/assets/..%2f__init__.py"):
            assert (await client.get(path)).status_code == 404


async def test_no_page_and_no_document_where_they_are_off(tmp_path: Path, secret: str) -> None:
    async with asking(app_with(tmp_path, docs="off"), bearer(secret)) as client:
        for path in (*PAGES, "/docs/assets/swagger-ui.css", "/docs/start.js", "/openapi.json"):
            assert (await client.get(path)).status_code == 404
        assert (await client.get("/models")).status_code == 503


PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-api-key",
}


@pytest.mark.parametrize("origins", [ORIGIN, f"https://other.example:8443,{ORIGIN}", "*"])
async def test_named_origins_may_ask(tmp_path: Path, secret: str, origins: str) -> None:
    expected = "*" if origins == "*" else ORIGIN
    async with asking(app_with(tmp_path, cors_origins=origins), {"Origin": ORIGIN}) as client:
        preflight = await client.options("/classify", headers=PREFLIGHT)
        assert preflight.status_code == 200, "it is asked without a key"
        assert preflight.headers["access-control-allow-origin"] == expected
        assert {"POST", "PUT", "DELETE"} <= set(preflight.headers["access-control-allow-methods"].split(", "))
        assert "access-control-allow-credentials" not in preflight.headers
        for path, status in (("/models", 503), ("/nothing", 404), ("/crash", 500)):
            answer = await client.get(path, headers=bearer(secret))
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == expected
            assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()
        refused = await client.get("/models")
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, expected)


@pytest.mark.parametrize("origins", ["", "https://other.example"])
async def test_other_origins_may_not(tmp_path: Path, secret: str, origins: str) -> None:
    async with asking(app_with(tmp_path, cors_origins=origins), {"Origin": ORIGIN}) as client:
        answers = [
            await client.options("/classify", headers=PREFLIGHT),
            await client.get("/models", headers=bearer(secret)),
            await client.get("/models"),
        ]
        assert all("access-control-allow-origin" not in answer.headers for answer in answers)
        assert answers[0].status_code in (400, 401)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CORS_ORIGINS", "shop.example"), ("CORS_ORIGINS", "https://shop.example/"), ("CORS_ORIGINS", "null"),
        ("CORS_ORIGINS", "https://a@shop.example"), ("CORS_ORIGINS", "https://*.example/x"),
        ("PUBLIC_PATHS", "docs"), ("PUBLIC_PATHS", "/docs,openapi.json"), ("PUBLIC_PATHS", "/docs/*"),
        ("DOCS", "maybe"),
    ],
)  # fmt: skip
async def test_what_is_no_origin_or_path_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"L2R2_{name}", value)
    with pytest.raises(SettingsError, match=f"L2R2_{name}"):
        load_settings()


async def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L2R2_PUBLIC_PATHS", "/docs, /openapi.json,")
    monkeypatch.setenv("L2R2_CORS_ORIGINS", "https://a.example,http://localhost:3000")
    settings = load_settings()
    assert settings.public_paths == ("/docs", "/openapi.json")
    assert settings.cors_origins == ("https://a.example", "http://localhost:3000")


async def test_a_clients_key_is_no_setting_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L2R2_KEY", "l2r2_x")
    assert "l2r2_x" not in repr(load_settings())
    monkeypatch.setenv("L2R2_KEYS", "keys.json")
    with pytest.raises(SettingsError, match=r"unknown setting L2R2_KEYS \(did you mean L2R2_KEYS_FILE\?\)"):
        load_settings()
