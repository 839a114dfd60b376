"""nginx as the documentation sets it up: replicas are restarted behind it unnoticed, overload stays a refusal."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
from balancing import MISSING, NGINX, balancer  # type: ignore[import-not-found]
from colour_load import ask, callers, register  # type: ignore[import-not-found]
from documents import DOCS, blocks_of  # type: ignore[import-not-found]
from light_models import COLOURS  # type: ignore[import-not-found]
from running import LightService, running  # type: ignore[import-not-found]
from test_rolling_restart import restarted  # type: ignore[import-not-found]

pytestmark = [
    pytest.mark.slow,  # load, for seconds
    pytest.mark.skipif(NGINX is None, reason=MISSING),
]
OWN_FILES = """daemon off; master_process off; pid {0}/pid; error_log {0}/errors warn;
"""
OWN_FOLDERS = """http {{
  client_body_temp_path {0}/bodies; proxy_temp_path {0}/proxied;
  fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; scgi_temp_path {0}/s;
"""


def configuration(folder: Path, first: int, second: int, port: int) -> str:
    """The documentation's file with these ports, and with files and folders of its own."""
    (documented,) = [block.text for block in blocks_of(DOCS / "deployment.md") if block.language == "nginx"]
    text = documented.replace("10.0.0.11:8000", f"127.0.0.1:{first}").replace("10.0.0.12:8000", f"127.0.0.1:{second}")
    text = re.sub(r"listen \d+;", f"listen 127.0.0.1:{port};", text)
    text = text.replace("worker_processes auto;", "")
    return OWN_FILES.format(folder) + text.replace("http {\n", OWN_FOLDERS.format(folder))


@contextmanager
def replicas(folder: Path, **settings: str) -> Iterator[tuple[LightService, LightService, str]]:
    shared = {"data_dir": str(folder / "data"), "drain_delay_s": "1", "allow_anonymous": "true", **settings}
    with (
        running(folder / "log 1", LightService, **shared) as first,
        running(folder / "log 2", LightService, **shared) as second,
        balancer(folder / "nginx", partial(configuration, folder / "nginx", first.port, second.port)) as url,
    ):
        register(url)
        yield first, second, url


def test_replicas_are_restarted_one_after_the_other_and_no_request_fails(tmp_path: Path) -> None:
    settings = {"data_dir": str(tmp_path / "data"), "drain_delay_s": "1", "allow_anonymous": "true"}
    with replicas(tmp_path) as (first, second, url):
        with callers(url, 4) as answers:
            answers.wait_for(40)
            successors = [restarted(service, settings) for service in (first, second)]
            answers.wait_for(40)
        for service in successors:
            service.kill()
    assert set(answers.statuses) == {200}, answers.statuses
    assert not answers.wrong


def test_an_overload_is_refused_with_when_to_come_again_and_nothing_else(tmp_path: Path) -> None:
    """Both replicas refuse some; nginx must not take that for two dead ones."""
    with replicas(tmp_path, queue_items="2") as (_, _, url):

        def one(number: int) -> httpx.Response:
            return ask(url, COLOURS["red"], number)

        with ThreadPoolExecutor(24) as pool:
            answers = list(pool.map(one, range(200)))
        statuses = [answer.status_code for answer in answers]
        assert set(statuses) == {200, 503}, sorted(set(statuses))
        assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 503)
        assert ask(url, COLOURS["blue"]).json()["label"] == "blue"
