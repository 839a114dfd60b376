"""Two replicas behind nginx as Debian has it, one restarted after the other under load: nobody notices."""

import signal
from pathlib import Path

import pytest
from balancing import MISSING, NGINX, balancer  # type: ignore[import-not-found]
from colour_load import WAIT_S, ask, callers, register  # type: ignore[import-not-found]
from light_models import COLOURS  # type: ignore[import-not-found]
from running import LightService, RunningService, running  # type: ignore[import-not-found]

pytestmark = pytest.mark.thorough

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


@pytest.mark.skipif(NGINX is None, reason=MISSING)
def test_replicas_are_restarted_one_after_the_other_and_no_request_fails(tmp_path: Path) -> None:
    folder = tmp_path / "nginx"

    def configuration(port: int) -> str:
        return CONFIGURATION.format(folder=folder, first=first.port, second=second.port, port=port)

    # Longer than nginx leaves out whom it could not reach (fail_timeout): else none may be left for it to ask.
    settings = {"data_dir": str(tmp_path / "data"), "drain_delay_s": "3", "allow_anonymous": "true"}
    with (
        running(tmp_path / "log 1", LightService, **settings) as first,
        running(tmp_path / "log 2", LightService, **settings) as second,
        balancer(folder, configuration) as url,
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
