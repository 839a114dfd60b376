"""A service in a process of its own: README's commands, and what its log holds of strangers' words."""

import base64
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from key_making import bearer  # type: ignore[import-not-found]
from running import RunningService, running  # type: ignore[import-not-found]
from test_safe_logs import FORGED, check_lines  # type: ignore[import-not-found]

pytestmark = pytest.mark.slow  # the start of several processes
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"<!-- keys -->\n```sh\n(.*?)```", README, re.DOTALL)[0]
BEFORE, AFTER = re.split(r".*l2r2 serve .*\n", COMMANDS)


def ran(folder: Path, script: str, **environment: str) -> str:
    given = {"PATH": "/usr/bin:/bin", "COLUMNS": "200", **environment}
    done = subprocess.run(["bash", "-euc", script], cwd=folder, env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made_one = tmp_path_factory.mktemp("keyed")
    (made_one / ".venv").symlink_to(sys.prefix)
    return made_one


@pytest.fixture(scope="module")
def secrets(folder: Path) -> list[str]:
    """Of camera-7 and editor."""
    return re.findall(r"^l2r2_\S+$", ran(folder, BEFORE + 'echo "$L2R2_KEY"'), re.MULTILINE)


@pytest.fixture(scope="module")
def service(folder: Path, secrets: list[str], models_cache: Path) -> Iterator[RunningService]:
    settings = {"data_dir": str(folder), "models_cache": str(models_cache), "offline": "1", "localizer": "none"}
    with running(folder / "log", keys_file=str(folder / "keys.json"), log_format="text", **settings) as started:
        yield started


def test_readmes_commands_do_what_they_say(folder: Path, secrets: list[str], service: RunningService) -> None:
    _, editor = secrets
    script = AFTER.replace("localhost:8000", service.url.removeprefix("http://"))
    script = script.replace("l2r2 datasets list", f"l2r2 datasets list --url {service.url}")
    shown = ran(folder, script, L2R2_KEY=editor, L2R2_KEYS_FILE="keys.json")
    assert shown.startswith('{"datasets":[]}')
    assert "camera-7: revoked" in shown
    assert shown.splitlines()[-1] == "401"
    command = [sys.executable, "-m", "service", "datasets", "list", "--url", service.url]
    refused = subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "--key or the variable L2R2_KEY" in " ".join(refused.stderr.split())


def test_readmes_block_waits_in_one_shell_until_the_service_is_ready(tmp_path: Path, models_cache: Path) -> None:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    settings = {"port": port, "data_dir": "data", "models_cache": str(models_cache), "offline": "1", "threads": "1"}
    settings["localizer"] = "none"
    script = COMMANDS.replace("localhost:8000", f"localhost:{port}").replace("l2r2 serve", "l2r2 serve 2>log")
    script = script.replace("l2r2 datasets list", f"l2r2 datasets list --url http://localhost:{port}")
    environment = {f"L2R2_{name.upper()}": value for name, value in settings.items()}
    shown = ran(tmp_path, f"trap 'kill $!; wait' EXIT\n{script}", **environment)
    assert '{"datasets":[]}' in shown
    assert "camera-7: revoked" in shown
    assert shown.splitlines()[-1] == "401"


def test_a_log_of_strangers_words_has_one_line_for_each_request_and_no_secret(
    folder: Path, secrets: list[str], service: RunningService, photographs: dict[str, bytes]
) -> None:
    editor = secrets[1]
    name = FORGED.replace("\r\n", "").replace("\x00", "")
    picture = photographs["rocket"]
    with httpx.Client(base_url=service.url, headers=bearer(editor), timeout=60) as client:
        assert client.put("/datasets/things", json={"classes": ["rocket", f"cat {name}"]}).status_code in (201, 422)
        assert client.put("/datasets/plain", json={"classes": ["rocket", "cat"]}).status_code == 201
        client.put(f"/datasets/{quote(name, safe='')}", json={"classes": ["a", "b"]})
        client.post("/classify", files={"image": (f"{name}.jpg", picture)}, data={"dataset": name})
        client.post("/classify", json={"image": base64.b64encode(picture).decode(), "dataset": name, name: name})
        answered = client.post("/classify", files={"image": (f"{name}.jpg", picture)}, data={"dataset": "plain"})
        assert answered.status_code == 200
        client.get("/datasets/%0d%0aINFO%1b[2J%E2%80%A8%85", headers={"User-Agent": "\x1b[2J", "X-Request-ID": "a\tb"})
        client.get("/livez", headers={"Authorization": f"Bearer {secrets[0]}", "X-API-Key": editor})
    assert service.stop() == 0
    text = service.log.read_text()
    assert check_lines(text) >= 8
    assert 'path="/datasets/\\r\\nINFO\\u001b[2J' in text
    assert 'key="editor"' in text
    for secret in secrets:
        assert secret not in text
        assert secret.removeprefix("l2r2_")[:20] not in text
