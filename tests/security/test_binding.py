"""Without keys the service listens on this machine alone."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from key_making import made  # type: ignore[import-not-found]

from service.access.binding import check_binding, is_loopback
from service.app import create_app
from service.errors import SettingsError
from service.settings import load_settings

OWN = ("127.0.0.1", "127.0.0.2", "127.255.255.254", "::1", "[::1]", "localhost", "LOCALHOST")
FOREIGN = ("0.0.0.0", "::", "", "10.0.0.1", "192.168.1.2", "::ffff:10.0.0.1", "example.org", "localhost.example.org",
           "127.0.0.1.example.org", "128.0.0.1", "127.1", "2130706433", "0")  # fmt: skip


@pytest.mark.parametrize("host", OWN)
def test_this_machines_own_addresses_need_no_keys(host: str) -> None:
    assert is_loopback(host)
    check_binding(host, has_keys=False, allow_anonymous=False)


@pytest.mark.parametrize("host", FOREIGN)
def test_other_addresses_need_keys_or_a_word(host: str) -> None:
    with pytest.raises(SettingsError, match=r"L2R2_KEYS_FILE.*L2R2_ALLOW_ANONYMOUS=true"):
        check_binding(host, has_keys=False, allow_anonymous=False)
    for has_keys, allow_anonymous in itertools.product((False, True), repeat=2):
        if has_keys or allow_anonymous:
            check_binding(host, has_keys=has_keys, allow_anonymous=allow_anonymous)


def test_the_command_ends_before_anything_is_loaded(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "service", "serve", "--host", "0.0.0.0", "--port", "0"]
    environment = {"PATH": "/usr/bin:/bin", "L2R2_MODELS_CACHE": str(tmp_path / "no models"), "COLUMNS": "1000"}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "L2R2_KEYS_FILE" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_key_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    made(path, "one")
    path.write_text(path.read_text().replace('"manage"', '"mangle"'))
    with pytest.raises(SettingsError, match=r"keys.json is invalid: keys\[0\].scopes\[1\]"):
        create_app(load_settings(keys_file=path))
