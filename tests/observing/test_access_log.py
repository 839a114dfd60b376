"""Each request is one line of the log, which can be found by the id that its answer has."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from security.key_making import asking, bearer, made  # type: ignore[import-not-found]

from service.api.middleware import _TRACEPARENT
from service.app import create_app
from service.settings import load_settings
from service.telemetry import JsonLines

pytestmark = pytest.mark.anyio
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    sink = io.StringIO()
    handler = logging.StreamHandler(sink)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("service.access")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield sink
    logger.setLevel(before)
    logger.removeHandler(handler)


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


async def test_one_line_for_each_request_with_what_its_answer_says(tmp_path: Path, written: io.StringIO) -> None:
    keys = tmp_path / "keys.json"
    secret, few = made(keys, "camera-7"), made(keys, "prometheus", "observe")
    asked: list[tuple[str, str, str, str]] = [
        ("GET", "/models", "/models", "camera-7"),
        ("GET", "/datasets/pets", "/datasets/{name}", "camera-7"),
        ("PUT", "/models", "/models", "camera-7"),
        ("GET", "/nothing/here", "other", "camera-7"),
        ("GET", "/models", "/models", "prometheus"),
        ("POST", "/classify", "/classify", ""),
    ]
    secrets = {"camera-7": secret, "prometheus": few}
    async with asking(create_app(load_settings(keys_file=keys, data_dir=tmp_path))) as client:
        answers = [
            await client.request(method, path, headers=bearer(secrets[key]) if key else {})
            for method, path, _, key in asked
        ]
        await client.get("/livez")
        await client.get("/metrics", headers=bearer(few))
    found = lines(written)
    assert len(found) == len(asked), "probes and scrapes are not worth a line"
    for line, answer, (method, path, route, key) in zip(found, answers, asked, strict=True):
        assert (line["method"], line["path"], line["route"]) == (method, path, route)
        assert (line["status"], line["code"]) == (answer.status_code, answer.json()["code"])
        assert line["request_id"] == answer.json()["request_id"] == answer.headers["x-request-id"]
        assert line["duration_ms"] >= 0
        assert line.get("key", "") == key
        assert line["logger"] == "service.access"
    assert secret not in written.getvalue()
    assert few not in written.getvalue()


async def test_a_callers_trace_is_named_also_where_no_traces_are_made(tmp_path: Path, written: io.StringIO) -> None:
    async with asking(create_app(load_settings(data_dir=tmp_path, allow_anonymous=True))) as client:
        for header in (f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}", "", f"00-{'0' * 32}-{PARENT}-01"):
            await client.get("/models", headers={"traceparent": header, "x-request-id": "mine"})
    assert [line.get("trace_id") for line in lines(written)] == [TRACE, None, None, None]
    assert {line["request_id"] for line in lines(written)} == {"mine"}


@given(text=st.text() | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.*", fullmatch=True))
def test_what_is_taken_of_a_traceparent_is_hexadecimal(text: str) -> None:
    match = _TRACEPARENT.fullmatch(text)
    if match:
        assert len(match[1]) == 32
        assert set(match[1]) <= set("0123456789abcdef")
        assert int(match[1], 16)
