"""The page's files as the service gives them: what they may load, how they are kept, who reads them, their weight."""

import re
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from security.key_making import asking, made  # type: ignore[import-not-found]

from service.api.page import DOCS_LINK, FOLDER
from service.app import create_app
from service.settings import load_settings

pytestmark = pytest.mark.anyio
MOST_BYTES, MOST_SAMPLE_BYTES = 150_000, 25_000
SAMPLES = sorted((FOLDER / "samples").iterdir())
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file() and path not in SAMPLES)
NOTICE = (Path(__file__).parents[2] / "NOTICE").read_text(encoding="utf-8")


def visitor(folder: Path, **settings: Any) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    client: AbstractAsyncContextManager[httpx.AsyncClient] = asking(
        create_app(load_settings(data_dir=folder, allow_anonymous=True, **settings))
    )
    return client


async def test_the_page_says_what_it_may_load_and_may_be_kept(tmp_path: Path) -> None:
    async with visitor(tmp_path) as client:
        page = await client.get("/")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        rules = dict(rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; "))
        assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
        assert rules["img-src"] == "'self' blob:"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "no-cache"
        again = await client.get("/", headers={"If-None-Match": f"W/{page.headers['etag']}"})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["content-security-policy"] == page.headers["content-security-policy"]
        assert (await client.get("/", headers={"If-None-Match": '"other"'})).status_code == 200
        head = await client.head("/")
        assert (head.status_code, head.content) == (200, b"")
        assert (await client.post("/")).status_code == 405


async def test_what_it_names_is_there_by_relative_addresses_with_the_right_type(tmp_path: Path) -> None:
    types = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".jpg": "image/jpeg",
             ".svg": "image/svg+xml; charset=utf-8", ".html": "text/html; charset=utf-8"}  # fmt: skip
    async with visitor(tmp_path) as client:
        text = (await client.get("/")).text
        loaded = re.findall(r'(?:src|href)="(?!#)([^"]+)"', text)
        assert {"page/style.css", "page/main.js", "page/theme.js", "page/icon.svg"} <= set(loaded)
        assert not [address for address in loaded if address.startswith("/") or ":" in address]
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", text), "nothing that the policy forbids"
        for path in (*FILES, *SAMPLES):
            answer = await client.get(f"/page/{path.relative_to(FOLDER).as_posix()}")
            assert (answer.status_code, answer.content) == (200, path.read_bytes())
            assert (answer.headers["content-type"], answer.headers["cache-control"]) == (types[path.suffix], "no-cache")
            kept = await client.get(answer.url.path, headers={"If-None-Match": answer.headers["etag"]})
            assert kept.status_code == 304
        for path in ("/page/", "/page/nothing.js", "/page/../page.py", "/page/%2e%2e/__init__.py", "/page/..%2fapp.py"):
            assert (await client.get(path)).status_code == 404


def test_no_file_names_an_address_elsewhere() -> None:
    for path in FILES:
        found = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", path.read_text(encoding="utf-8")))
        assert found <= {"http://www.w3.org/2000/svg"}, path.name


def test_the_page_is_light_and_every_sample_is_small_and_its_origin_told() -> None:
    assert sum(path.stat().st_size for path in FILES) <= MOST_BYTES
    assert len(SAMPLES) >= 2
    script = (FOLDER / "samples.js").read_text(encoding="utf-8")
    for path in SAMPLES:
        assert path.stat().st_size <= MOST_SAMPLE_BYTES
        with Image.open(path) as picture:
            assert not picture.getexif()
            assert f'file: "{path.name}", width: {picture.width}, height: {picture.height},' in script
        assert path.name in NOTICE
    assert script.count("file: ") == len(SAMPLES)


async def test_an_operator_may_turn_it_off(tmp_path: Path) -> None:
    async with visitor(tmp_path, page="off") as client:
        for path in ("/", "/page/style.css"):
            assert (await client.get(path)).status_code == 404
        assert (await client.get("/docs")).status_code == 200


async def test_it_links_the_interface_where_a_link_can_be_followed(tmp_path: Path) -> None:
    made(tmp_path / "keys.json", "one")
    keys, page = tmp_path / "keys.json", ("/", "/page")
    cases: list[tuple[dict[str, Any], bool]] = [
        ({}, True), ({"docs": "off"}, False), ({"keys_file": keys, "public_paths": page}, False),
        ({"keys_file": keys, "public_paths": (*page, "/docs")}, True),
    ]  # fmt: skip
    for settings, linked in cases:
        async with visitor(tmp_path, **settings) as client:
            text = (await client.get("/")).text
            assert (DOCS_LINK in text) is linked
            assert "</footer>" in text


async def test_with_keys_it_is_closed_until_its_paths_are_public(tmp_path: Path) -> None:
    made(tmp_path / "keys.json", "one")
    keys = tmp_path / "keys.json"
    async with visitor(tmp_path, keys_file=keys) as client:
        assert {(await client.get(path)).status_code for path in ("/", "/page/main.js")} == {401}
    async with visitor(tmp_path, keys_file=keys, public_paths="/,/page") as client:
        assert {(await client.get(path)).status_code for path in ("/", "/page/main.js")} == {200}
        assert {(await client.get(path)).status_code for path in ("/models", "/datasets", "/docs")} == {401}
        assert (await client.post("/page/main.js")).status_code == 401
