"""Nothing a caller says makes a line of its own in the logs, and no secret gets there."""

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from key_making import asking, bearer, made  # type: ignore[import-not-found]
from starlette.requests import Request

from service.access.keys import new_secret
from service.app import create_app
from service.settings import load_settings
from service.telemetry import _SECRETS, JsonLines, TextLines, request_id, without_secrets

FORGED = (
    '\r\n{"level": "info", "message": "forged"}\n2027-01-01 00:00:00,000 INFO    forged \x1b[2J\x85\u2028\u2029\x00\x7f'
)
TEXT_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ +\S")


@pytest.fixture(params=[JsonLines, TextLines])
def written(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What the service writes meanwhile in one of its formats."""
    sink = io.StringIO()
    handler = logging.StreamHandler(sink)
    handler.setFormatter(request.param())
    logger = logging.getLogger("service")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield sink
    logger.setLevel(before)
    logger.removeHandler(handler)


def check_lines(text: str, of: str = "") -> int:
    """How many records hold `of`: each is one line of ASCII, but for the indented lines of an exception."""
    assert all(" " <= character <= "~" or character == "\n" for character in text)
    records = 0
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("{"):
            assert json.loads(line)["message"] != "forged"
            records += of in line
        elif not line.startswith("    "):
            assert TEXT_LINE.match(line)
            assert "INFO    forged" not in line[:40]
            records += of in line
    return records


def test_a_record_is_one_line_whatever_is_in_it(written: io.StringIO) -> None:
    log = logging.getLogger("service.test")
    token = request_id.set(FORGED)
    try:
        log.info(FORGED, extra={"path": FORGED, "names": [FORGED, {FORGED: FORGED}], "file": Path(FORGED[:20])})
        try:
            raise ValueError(FORGED)
        except ValueError:
            log.exception("crashed: %s", FORGED)
    finally:
        request_id.reset(token)
    assert check_lines(written.getvalue()) == 2
    assert "forged" in written.getvalue()


@given(text=st.text(), other=st.text())
def test_no_text_breaks_a_line(text: str, other: str) -> None:
    record = logging.makeLogRecord({"msg": text, "levelname": "INFO", "path": other, "exc_info": (None, None, None)})
    record.exc_info = (ValueError, ValueError(text), None)
    document = json.loads(JsonLines().format(record))
    assert document["message"] == without_secrets(text)
    first, *others = TextLines().format(record).split("\n")
    assert TEXT_LINE.match(first) or not text.strip()
    assert all(line.startswith("    ") for line in others)
    assert first.isascii()


@pytest.mark.anyio
async def test_paths_headers_and_crashes_do_not_forge_lines_or_show_secrets(
    tmp_path: Path, written: io.StringIO
) -> None:
    file = tmp_path / "keys.json"
    secret, wrong = made(file, "camera-7"), new_secret()
    password = "hunter2hunter2"
    database = f"postgresql+psycopg://l2r2:{password}@nowhere.example/l2r2"
    app = create_app(load_settings(keys_file=file, data_dir=tmp_path, database_url=database))

    async def crash(request: Request) -> None:
        raise ValueError(f"{FORGED} {request.headers.raw} {dict(request.headers)} {database} {request.url}")

    app.add_route("/crash", crash)
    async with asking(app, {"User-Agent": FORGED.encode("utf-8").replace(b"\r\n", b"").replace(b"\n", b"")}) as client:
        answers = [
            await client.get(
                "/nothing/%0d%0a%7B%22message%22%3A%22forged%22%7D%1b%5B2J%E2%80%A8%00", headers=bearer(secret)
            ),
            await client.get(f"/{secret}/%0a", headers=bearer(secret)),
            await client.get("/models", headers=bearer(wrong) | {"X-Request-ID": "a\x1b[2J"}),
            await client.get(f"/crash?key={secret}", headers=bearer(secret) | {"Cookie": "x=y"}),
            await client.get("/crash", headers={"X-API-Key": secret}),
        ]
    assert [answer.status_code for answer in answers] == [404, 404, 401, 500, 500]
    assert not any(secret in answer.text or password in answer.text for answer in answers[2:])
    text = written.getvalue()
    assert check_lines(text, of="request_id") == 5 + 2, "a line for each request, and one for each crash"
    assert "forged" in text, "what was sent is there to be read"
    assert '"camera-7"' in text, "by its name it is known who asked"
    for hidden in (secret, secret.removeprefix("l2r2_"), wrong, password):
        assert hidden not in text


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer {}", "authorization: basic {}", "{{'authorization': 'Bearer {}'}}", "X-API-Key: {}",
        "[(b'authorization', b'Bearer {}')]", "(b'x-api-key', b'{}')", '{{"X-Api-Key": "{}"}}', "Bearer {}",
        "postgresql+psycopg://user:{}@host/name", "cannot reach redis://:{}@host", "password={} host=x",
        'password: "{}"',
    ],
)  # fmt: skip
@pytest.mark.parametrize("secret", ["sesame-open-0123456789", "l2r2_" + "a1_-" * 10 + "xyz"])
def test_what_looks_like_a_secret_is_left_out(text: str, secret: str) -> None:
    cleaned = without_secrets(f"before {text.format(secret)} after")
    assert secret not in cleaned
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" after")


@pytest.mark.parametrize(
    "text", ["a bearer of bad news", "http://host:8000/path", "authorization is needed", "mailto:a@b", "l2r2_short"]
)
def test_plain_words_are_left_alone(text: str) -> None:
    assert without_secrets(text) == text


PIECES = [
    "l2r2_", "a" * 43, "bearer ", "BEARER ", "authorization", "x-api-key", "pa\u017f\u017fword", "password", ": ", "=",
    "'", "://", "user", ":", "hunter2hunter2hunter2", "@", " ", "K",
]  # fmt: skip


@given(text=st.text() | st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_no_secret_is_without_a_hint_of_it(text: str) -> None:
    """Texts without one are not looked through further."""
    cleaned = text
    for pattern, instead in _SECRETS:
        cleaned = pattern.sub(instead, cleaned)
    assert without_secrets(text) == cleaned


def test_leaving_secrets_out_takes_no_time_for_any_text() -> None:
    """Texts that make a careless pattern look through all that follows again and again, which would take minutes."""
    for piece in ("://", "://a:", "password=", "authorization:", "bearer ", "l2r2_", "x-api-key:'", "  ", "a:b@"):
        text = piece * (2**17 // len(piece))
        assert len(without_secrets(text)) <= 2 * len(text)
