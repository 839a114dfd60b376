"""Keys are changed without a restart, expire by themselves, and are found in the same time whether right or wrong."""

import gc
import logging
import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from key_making import Clock, made  # type: ignore[import-not-found]

from service.access.keyfile import remove_key
from service.access.keyring import LOOK_EVERY_S, Keyring
from service.access.keys import new_secret
from service.errors import SettingsError


def test_a_right_key_is_found_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    secrets = {name: made(path, name) for name in ("one", "two", "three")}
    keyring = Keyring(path)
    for name, secret in secrets.items():
        found = keyring.find(secret.encode())
        assert found is not None
        assert found.name == name
        for wrong in (secret[:-1], secret + "x", secret.upper(), " " + secret, found.sha256, ""):
            assert keyring.find(wrong.encode()) is None
    assert keyring.find(b"\xff\x00" * 5000) is None


def test_an_empty_file_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('{"keys": []}')
    assert Keyring(tmp_path / "keys.json").find(b"") is None


def test_a_new_key_works_and_a_revoked_one_stops_without_a_restart(tmp_path: Path) -> None:
    path, clock = tmp_path / "keys.json", Clock()
    old = made(path, "old")
    keyring = Keyring(path, clock)
    new = made(path, "new")
    clock.now_s += LOOK_EVERY_S
    assert keyring.find(new.encode())
    assert keyring.find(old.encode())
    remove_key(path, "old")
    assert keyring.find(old.encode()), "looked for no more than once a second"
    clock.now_s += LOOK_EVERY_S
    assert keyring.find(old.encode()) is None
    assert keyring.find(new.encode())


def test_a_change_of_the_same_length_in_place_is_seen(tmp_path: Path) -> None:
    path, clock = tmp_path / "keys.json", Clock()
    secret = made(path, "name-1")
    keyring = Keyring(path, clock)
    path.write_text(path.read_text().replace("name-1", "name-2"))
    clock.now_s += LOOK_EVERY_S
    found = keyring.find(secret.encode())
    assert found is not None
    assert found.name == "name-2"


def test_a_file_that_is_broken_or_gone_keeps_the_last_good_keys_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, clock = tmp_path / "keys.json", Clock()
    secret = made(path, "one")
    good = path.read_bytes()
    keyring = Keyring(path, clock)
    for damage in (lambda: path.write_bytes(good[:-20]), lambda: path.write_bytes(b""), path.unlink):
        damage()
        caplog.clear()
        for _ in range(3):
            clock.now_s += LOOK_EVERY_S
            assert keyring.find(secret.encode())
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert str(path) in vars(record)["detail"]
    path.write_bytes(good)
    other = made(path, "two")
    clock.now_s += LOOK_EVERY_S
    assert keyring.find(other.encode())


def test_a_broken_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('{"keys": [{}]}')
    with pytest.raises(SettingsError, match=r"keys.json.*keys\[0\]"):
        Keyring(tmp_path / "keys.json")


def test_a_key_stops_when_it_expires_also_when_nothing_is_read_again(tmp_path: Path) -> None:
    path, now = tmp_path / "keys.json", [datetime(2027, 1, 1, tzinfo=UTC)]
    secret = made(path, "one", expires=now[0] + timedelta(days=1))
    keyring = Keyring(path, now=lambda: now[0])
    assert keyring.find(secret.encode())
    now[0] += timedelta(days=1)
    assert keyring.find(secret.encode()) is None


ROUNDS = 3000


def test_the_time_of_a_check_tells_nothing(tmp_path: Path) -> None:
    """Medians of interleaved single checks: right keys, the first and the last of the file; keys that are wrong from
    the first or only from the last character on; and such of other lengths. A look-up that ends where it has found
    would take a fraction of the time for the first key. Allowed is the cost of a few of the 50 comparisons, or what
    the machine alone makes of nothing, which is measured."""
    path, clock = tmp_path / "keys.json", Clock()
    secrets = [made(path, f"key-{number}") for number in range(50)]
    keyring = Keyring(path, clock)  # the clock stands: the file is not looked at
    kinds = {
        "first": secrets[0], "last": secrets[-1], "wrong": new_secret(), "nearly": secrets[0][:-1] + "_",
        "short": "l2r2_x", "long": secrets[0] + "x" * 7,
    }  # fmt: skip
    presented = {kind: secret.encode() for kind, secret in kinds.items()}
    times_ns: dict[str, list[int]] = {kind: [] for kind in presented}
    gc.disable()
    try:
        for turn in range(ROUNDS):
            order = list(presented)[turn % len(presented) :] + list(presented)[: turn % len(presented)]
            for kind in order:
                secret = presented[kind]
                begin_ns = time.perf_counter_ns()
                keyring.find(secret)
                times_ns[kind].append(time.perf_counter_ns() - begin_ns)
    finally:
        gc.enable()
    medians = {kind: statistics.median(values) for kind, values in times_ns.items()}
    # Between halves of the same kind's times: what the machine alone makes of nothing.
    noise = max(
        abs(statistics.median(values[: ROUNDS // 2]) - statistics.median(values[ROUNDS // 2 :]))
        for values in times_ns.values()
    )
    typical = statistics.median(medians.values())
    assert max(medians.values()) - min(medians.values()) < max(0.1 * typical, 3 * noise), (medians, noise)
