"""`l2r2 classify` in this process, and what it says to programs."""

import json
from typing import Any

from typer.testing import CliRunner, Result

from service.cli.main import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["classify", *map(str, arguments)], catch_exceptions=False)


def events(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stderr.splitlines()]
