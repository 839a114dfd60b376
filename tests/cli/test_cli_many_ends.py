"""How `l2r2 classify` of many pictures ends where the service or the file does not do its part."""

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from misbehaving import answers, misbehaving, send  # type: ignore[import-not-found]
from typer.testing import CliRunner, Result

from service.cli.main import app

LIST = ("--classes", "cat,dog", "--concurrency", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(4):
        (tmp_path / "in" / f"{number}.png").write_bytes(b"x")
    return tmp_path / "in"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["classify", *map(str, arguments)], catch_exceptions=False)


def events(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stderr.splitlines()]


def bad_gateway(handler: BaseHTTPRequestHandler) -> None:
    """A proxy's, whose service is gone; the wait is longer than anybody's patience."""
    send(handler, 502, "text/html", b"<h1>Bad Gateway</h1>", {"Retry-After": "200"})


def test_a_service_that_is_gone_behind_a_proxy_ends_the_run(folder: Path, tmp_path: Path) -> None:
    with misbehaving(answers(), bad_gateway) as server:
        result = run(folder, *LIST, "--server", server.url, "-o", tmp_path / "a.csv")
    assert result.exit_code == 4
    [gone] = events(result)
    assert (gone["event"], gone["answered"]) == ("gone", 1)
