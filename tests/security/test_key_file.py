"""The key file: what it may hold, how it is written, and that it holds no secret."""

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from key_making import made  # type: ignore[import-not-found]

from service.access.keyfile import add_key, read_keys, remove_key
from service.access.keys import SECRET_BYTES, Key, new_key, new_secret
from service.errors import InvalidFields, SettingsError

GOOD: dict[str, Any] = {"name": "a", "sha256": "0" * 64, "scopes": ["classify"]}


def test_secrets_are_long_random_and_told_for_keys() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert SECRET_BYTES * 8 >= 256
    assert all(secret.startswith("l2r2_") and len(secret) == 48 for secret in secrets)


def test_the_file_holds_digests_alone_and_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys.json"
    secrets = [made(path, name) for name in ("one", "two")]
    text = path.read_text()
    assert not any(secret in text or secret.removeprefix("l2r2_") in text for secret in secrets)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [key.name for key in read_keys(path)] == ["one", "two"]


def test_a_file_that_is_changed_keeps_its_owner_and_a_link_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "keys.json"
    made(real, "one")
    if os.getuid() == 0:
        os.chown(real, 12345, 12346)
    before = real.stat()
    link.symlink_to(real)
    made(link, "two")
    after = real.stat()
    assert link.is_symlink()
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert len(read_keys(real)) == 2


def test_a_taken_name_and_an_unknown_one_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    made(path, "one")
    before = path.read_bytes()
    with pytest.raises(InvalidFields, match="taken"):
        made(path, "one")
    with pytest.raises(InvalidFields) as refused:
        remove_key(path, "two")
    assert refused.value.problems[0].allowed == ("one",)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir() if ".json." in entry.name] == ["keys.json.lock"]


def test_keys_that_are_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    threads = [threading.Thread(target=made, args=(path, f"key-{number}")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in read_keys(path)} == {f"key-{number}" for number in range(8)}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("", "invalid"),
        ("[]", "invalid"),
        ("{}", "keys"),
        ({"keys": {}}, "keys: "),
        ({"keys": [GOOD, {**GOOD, "name": "b c"}]}, r"keys\[1\].name"),
        ({"keys": [{**GOOD, "name": "a\n"}]}, r"keys\[0\].name"),
        ({"keys": [{**GOOD, "name": "x" * 65}]}, r"keys\[0\].name"),
        ({"keys": [{**GOOD, "sha256": "0" * 63}]}, r"keys\[0\].sha256"),
        ({"keys": [{**GOOD, "scopes": []}]}, r"keys\[0\].scopes"),
        ({"keys": [{**GOOD, "scopes": ["admin"]}]}, r"keys\[0\].scopes\[0\].*'classify', 'manage' or 'observe'"),
        ({"keys": [{**GOOD, "scopes": "classify"}]}, r"keys\[0\].scopes"),
        ({"keys": [{**GOOD, "per_minute": 0}]}, r"keys\[0\].per_minute"),
        ({"keys": [{**GOOD, "per_minute": True}]}, r"keys\[0\].per_minute"),
        ({"keys": [{**GOOD, "concurrent": -1}]}, r"keys\[0\].concurrent"),
        ({"keys": [{**GOOD, "expires": "2027-01-01T00:00:00"}]}, r"keys\[0\].expires.*timezone"),
        ({"keys": [{**GOOD, "expires": "soon"}]}, r"keys\[0\].expires"),
        ({"keys": [{**GOOD, "scope": "classify"}]}, r"keys\[0\].scope"),
        ({"keys": [GOOD, {**GOOD, "sha256": "1" * 64}]}, "two keys have the name a"),
        ({"keys": [GOOD, {**GOOD, "name": "b"}]}, "two keys have the sha256"),
        ({"keys": [], "key": 1}, "key: "),
    ],
)
def test_a_broken_file_is_refused_and_the_item_named(tmp_path: Path, document: Any, said: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(SettingsError, match=said) as refused:
        read_keys(path)
    assert str(path) in refused.value.detail


def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    path, secret = tmp_path / "keys.json", new_secret()
    for entry in ({**GOOD, "sha256": secret}, {**GOOD, "name": f"{secret} "}, {**GOOD, "scopes": [secret]}):
        path.write_text(json.dumps({"keys": [entry]}))
        with pytest.raises(SettingsError) as refused:
            read_keys(path)
        assert secret not in refused.value.detail


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    with pytest.raises(SettingsError, match=f"the key file {path} cannot be read"):
        read_keys(path)


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be written"):
        made(tmp_path / "file" / "keys.json", "one")


KEYS = st.builds(
    Key,
    name=st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True),
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    scopes=st.sampled_from([("classify",), ("manage",), ("classify", "manage")]),
    per_minute=st.none() | st.integers(1, 1_000_000),
    concurrent=st.none() | st.integers(1, 1_000_000),
    expires=st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)),
)


@settings(max_examples=15)  # each writes several files for good
@given(keys=st.lists(KEYS, max_size=3, unique_by=(lambda key: key.name, lambda key: key.sha256)))
def test_what_is_written_is_read_and_what_is_removed_is_gone(
    tmp_path_factory: pytest.TempPathFactory, keys: list[Key]
) -> None:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    path.write_text('{"keys": []}')
    for key in keys:
        add_key(path, key)
    assert read_keys(path) == tuple(keys)
    for key in keys:
        remove_key(path, key.name)
    assert read_keys(path) == ()


def test_a_key_expires_at_its_time() -> None:
    until = datetime(2027, 1, 1, tzinfo=UTC)
    key = new_key("a", new_secret(), scopes=("classify",), expires=until)
    assert not key.has_expired(until - timedelta(microseconds=1))
    assert key.has_expired(until)


@pytest.mark.parametrize(
    ("limits", "field"),
    [({"scopes": ("admin",)}, "scopes"), ({"per_minute": 0}, "per_minute"), ({"concurrent": 0}, "concurrent")],
)
def test_a_key_that_cannot_be_is_refused_by_its_field(limits: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        new_key("a", new_secret(), **{"scopes": ("classify",), **limits})
    assert refused.value.problems[0].field == field
