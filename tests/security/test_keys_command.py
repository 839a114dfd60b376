"""`l2r2 keys`, and commands that show a key."""

import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.access.keyfile import read_keys
from service.access.keyring import Keyring
from service.access.presenting import key_headers
from service.bench.request import Request
from service.cli.main import app
from service.cli.remote import Service
from service.errors import BadRequest, InvalidFields, SettingsError

SECRET = re.compile(r"l2r2_[A-Za-z0-9_-]{43}")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "keys.json"
    monkeypatch.setenv("L2R2_KEYS_FILE", str(path))
    monkeypatch.setenv("COLUMNS", "200")
    return path


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["keys", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_key_is_made_listed_used_and_revoked(file: Path) -> None:
    secret = invoke("new", "camera-7", "--per-minute", "600", "--concurrent", "4").strip()
    assert SECRET.fullmatch(secret), "it alone is printed, so that a script can take it"
    other = invoke("new", "editor", "--scopes", "classify, manage", "--expires", "90d").strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first, second = read_keys(file)
    assert (first.name, first.scopes, first.per_minute, first.concurrent, first.expires) == (
        "camera-7", ("classify",), 600, 4, None,
    )  # fmt: skip
    assert second.scopes == ("classify", "manage")
    assert second.expires is not None
    assert abs(second.expires - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=1)
    found = Keyring(file).find(secret.encode())
    assert found == first
    listed = invoke("list")
    assert re.search(r"camera-7 +classify +600 +4 +never", listed)
    assert re.search(r"editor +classify, manage +\d{4}-", listed)
    assert not SECRET.search(listed + file.read_text())
    assert "revoked" in invoke("revoke", "camera-7")
    keyring = Keyring(file)
    assert keyring.find(secret.encode()) is None
    assert keyring.find(other.encode()) is not None


def test_expired_keys_are_told(file: Path) -> None:
    invoke("new", "old", "--expires", "2020-01-31T12:00:00Z")
    assert re.search(r"old +classify .*2020-01-31T12:00:00\+00:00 \(expired\)", invoke("list"))


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("a b",), "name"), (("",), "name"), (("a\n",), "name"), (("a", "--scopes", "admin"), "scopes"),
        (("a", "--scopes", ""), "scopes"), (("a", "--per-minute", "0"), "per_minute"),
        (("a", "--concurrent", "-1"), "concurrent"), (("a", "--expires", "soon"), "expires"),
        (("a", "--expires", ""), "expires"),
        (("a", "--expires", "2027-01-01"), "expires"), (("a", "--expires", "99999999999d"), "expires"),
    ],
)  # fmt: skip
def test_what_no_key_can_be_is_refused_and_nothing_is_written(
    file: Path, arguments: tuple[str, ...], field: str
) -> None:
    with pytest.raises(InvalidFields) as refused:
        invoke("new", *arguments)
    assert refused.value.problems[0].field == field
    assert not file.exists()


def test_the_file_has_to_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("L2R2_KEYS_FILE", raising=False)
    for arguments in (("list",), ("revoke", "a"), ("new", "a")):
        with pytest.raises(SettingsError, match="--file"):
            invoke(*arguments)
    invoke("new", "a", "--file", str(tmp_path / "other.json"))
    assert "a " in invoke("list", "--file", str(tmp_path / "other.json"))


def test_a_key_is_sent_from_the_option_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("L2R2_KEY", raising=False)
    assert Service("http://x").sent_key is None
    monkeypatch.setenv("L2R2_KEY", "l2r2_of-the-environment")
    assert Service("http://x").sent_key == "l2r2_of-the-environment"
    assert Service("http://x", "l2r2_given").sent_key == "l2r2_given"
    assert "l2r2_given" not in repr(Service("http://x", "l2r2_given"))


@pytest.mark.parametrize("key", ["a b", "a\r\nHost: evil", "é", "a\x00", "\n"])
def test_what_no_header_can_hold_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(BadRequest) as refused:
        key_headers(key)
    assert key.strip() == "" or key not in refused.value.detail


def test_the_load_generator_sends_it(tmp_path: Path) -> None:
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"\xff\xd8\xff\xd9")
    request = Request("http://127.0.0.1:1/classify", [str(picture)], headers=key_headers("l2r2_x"))
    head = next(request.messages()).split(b"\r\n\r\n")[0].split(b"\r\n")
    assert b"Authorization: Bearer l2r2_x" in head
    assert "l2r2_x" not in repr(request)
