"""Orderly ends."""

import json
import socket
import time
from pathlib import Path

import httpx
import pytest
from running import RunningService  # type: ignore[import-not-found]

pytestmark = pytest.mark.thorough

PROMPTLY_S = 10


def wait_until_listening(service: RunningService) -> None:
    while True:
        try:
            response = httpx.get(f"{service.url}/livez")
        except httpx.TransportError:
            assert service.process.poll() is None, service.log.read_text()
            continue
        assert response.status_code == 200
        return


def test_a_service_that_is_still_loading_can_be_stopped(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_hub:
        endpoint = f"http://127.0.0.1:{silent_hub.getsockname()[1]}"
        settings = {"data_dir": str(tmp_path), "models_cache": str(tmp_path / "cache"), "hub_endpoint": endpoint}
        service = RunningService(tmp_path / "log", profile="standard", **settings)
        silent_hub.settimeout(60)
        wait_until_listening(service)
        connection, _ = silent_hub.accept()  # the download is under way, and will not end
        ready = httpx.get(f"{service.url}/readyz")
        assert (ready.status_code, ready.json()["reason"]) == (503, "models are being loaded")
        start_s = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - start_s < PROMPTLY_S
        connection.close()
    assert "Traceback" not in json.dumps(service.log_lines())
