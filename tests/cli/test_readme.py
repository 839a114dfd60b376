"""README's examples give what README shows."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from running import RunningService  # type: ignore[import-not-found]

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
CHANGING = {"request_id", "created_at", "updated_at", "timings_ms"}


def stable(document: Any) -> Any:
    """Without what differs from call to call; numbers to three places."""
    if isinstance(document, dict):
        return {name: stable(value) for name, value in document.items() if name not in CHANGING}
    if isinstance(document, list):
        return [stable(value) for value in document]
    return round(document, 3) if isinstance(document, float) else document


def documents(text: str) -> list[Any]:
    decoder, found, place = json.JSONDecoder(), [], 0
    while place < len(text.rstrip()):
        document, place = decoder.raw_decode(text, place)
        found.append(document)
        while text[place : place + 1].isspace():
            place += 1
    return found


def test_the_curl_examples_print_what_is_shown(server: RunningService, tmp_path: Path) -> None:
    example = README.split("<!-- examples -->")[1].split("\nA picture also travels")[0]
    commands = re.findall(r"```sh\n(.*?)```", example, re.DOTALL)[0]
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", example, re.DOTALL)]
    (tmp_path / ".venv").symlink_to(sys.prefix)
    commands = commands.replace("localhost:8000", server.url.removeprefix("http://"))
    done = subprocess.run(["bash", "-euc", commands], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert stable(documents(done.stdout)) == stable(shown)
