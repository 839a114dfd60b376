"""Two replicas behind nginx as Debian has it, one restarted after the other under load: nobody notices."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from colour_load import WAIT_S, ask, callers, register  # type: ignore[import-not-found]
from light_models import COLOURS  # type: ignore[import-not-found]
from running import LightService, RunningService, running  # type: ignore[import-not-found]

pytestmark = pytest.mark.thorough

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors warn;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}/bodies; proxy_temp_path {folder}/proxied;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream replicas {{
    server 127.0.0.1:{first} max_fails=1 fail_timeout=1s;
    server 127.0.0.1:{second} max_fails=1 fail_timeout=1s;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://replicas;
      proxy_connect_timeout 2s;
      proxy_next_upstream error timeout http_503 non_idempotent;
    }}
  }}
}}
"""


@contextmanager
def balancer(folder: Path, first: int, second: int) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir()
    file = folder / "nginx.conf"
    file.write_text(CONFIGURATION.format(folder=folder, first=first, second=second, port=port))
    process = subprocess.Popen([str(NGINX), "-c", str(file), "-e", str(folder / "errors")])
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                httpx.get(f"{url}/livez")
                break
            except httpx.TransportError:
                assert process.poll() is None, (folder / "errors").read_text()
        yield url
    finally:
        process.terminate()
        process.wait(WAIT_S)


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed (apt-get install nginx-light)")
def test_replicas_are_restarted_one_after_the_other_and_no_request_fails(tmp_path: Path) -> None:
    settings = {"data_dir": str(tmp_path / "data"), "drain_delay_s": "1", "allow_anonymous": "true"}
    with (
        running(tmp_path / "log 1", LightService, **settings) as first,
        running(tmp_path / "log 2", LightService, **settings) as second,
        balancer(tmp_path / "nginx", first.port, second.port) as url,
    ):
        register(url)
        with callers(url, 2) as answers:
            answers.wait_for(20)
            successors = [restarted(service, settings) for service in (first, second)]
            answers.wait_for(20)
        try:
            assert set(answers.statuses) == {200}, answers.statuses
            assert not answers.wrong
            for service in successors:
                assert ask(service.url, COLOURS["blue"]).json()["label"] == "blue"
        finally:
            for service in successors:
                service.kill()


def restarted(service: RunningService, settings: dict[str, str]) -> RunningService:
    """The next process on the same port, once it is ready."""
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(WAIT_S) == 0
    successor = LightService(service.log, service.port, **settings)
    successor.wait_ready()
    return successor
