"""README's examples give what README shows."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from running import RunningService  # type: ignore[import-not-found]

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
CHANGING = {"request_id", "created_at", "updated_at", "timings_ms", "branch"}


def agree(found: Any, shown: Any) -> bool:
    """Equal but for what differs from call to call; numbers up to what another processor's arithmetic may change."""
    if isinstance(shown, dict):
        names = set(shown) - CHANGING
        return names == set(found) - CHANGING and all(agree(found[name], shown[name]) for name in names)
    if isinstance(shown, list):
        return len(found) == len(shown) and all(map(agree, found, shown))
    if isinstance(shown, float):
        return abs(found - shown) <= (0.05 if shown <= 1 else 5)  # a confidence, or pixels
    return bool(found == shown)


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
    printed = documents(done.stdout)
    assert agree(printed, shown), printed
