"""README's examples give what README shows."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, ImageEnhance
from running import RunningService  # type: ignore[import-not-found]

from service.api.fields import ClassifyFields
from service.evaluation.benchmarks.registry import BENCHMARKS
from service.recognition.fusion import FUSIONS
from service.recognition.views import VIEWS

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
CHANGING = {"request_id", "created_at", "updated_at", "timings_ms", "cached", "branch", "reason"}


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


@pytest.mark.thorough
def test_the_curl_examples_print_what_is_shown(server: RunningService, tmp_path: Path) -> None:
    example = README.split("<!-- examples -->")[1].split("\nA picture also travels")[0]
    commands = re.findall(r"```sh\n(.*?)```", example, re.DOTALL)[0]
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", example, re.DOTALL)]
    (tmp_path / ".venv").symlink_to(sys.prefix)
    commands = commands.replace("localhost:8000", server.url.removeprefix("http://"))
    done = subprocess.run(["bash", "-euc", commands], cwd=tmp_path, capture_output=True, text=True, check=True)
    printed = documents(done.stdout)
    assert agree(printed, shown), printed


@pytest.mark.thorough
def test_every_example_of_the_method_runs(
    server: RunningService, tmp_path: Path, photographs: dict[str, bytes]
) -> None:
    """In README's order, in one shell: later examples use what earlier ones defined."""
    setting_up = re.findall(r"<!-- examples -->\n```sh\n(.*?)```", README, re.DOTALL)[0].splitlines()
    photo = next(line for line in setting_up if line.startswith("photo="))
    blocks = re.findall(r"<!-- runs(?:: calibration)? -->\n```sh\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 8
    (tmp_path / ".venv").symlink_to(sys.prefix)
    labelled_pictures(tmp_path / "labelled", photographs)
    classes = '{"name": "things", "classes": ["cat", "dog", "rocket", "tree"]}'
    registering = f"curl -sf localhost:8000/datasets -H 'Content-Type: application/json' -d '{classes}'"
    script = "\n".join([photo, registering, *blocks])
    script = script.replace("localhost:8000", server.url.removeprefix("http://"))
    script = re.sub(r"(l2r2 datasets \w+ pair)", rf"\1 --url {server.url}", script)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout[-2000:]
    answers = re.findall(r'"label": ?("[^"]*"|null), ?"confidence"', done.stdout)
    assert len(answers) >= 25


def at(server: RunningService, script: str) -> str:
    return script.replace("http://localhost:8000", server.url).replace("localhost:8000", server.url[7:])


@pytest.mark.thorough
def test_the_python_examples_run(
    server: RunningService, tmp_path: Path, photographs: dict[str, bytes], models_cache: Path
) -> None:
    blocks = re.findall(r"<!-- python -->\n```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "photo.jpg").write_bytes(photographs["rocket"])
    (tmp_path / "notes.txt").touch()
    environment = {**os.environ, "L2R2_MODELS_CACHE": str(models_cache), "L2R2_OFFLINE": "1"}
    command = [sys.executable, "-c", at(server, "\n".join(blocks))]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, built, photo, notes, missing, view = done.stdout.splitlines()
    assert (first, built, photo) == ("rocket", "1.0", "photo.jpg rocket")
    assert notes.startswith("notes.txt 422: The image is empty")
    assert missing.startswith("404 dataset_not_found no dataset is named 'nothing'")
    assert view.startswith("label='rocket'")


@pytest.mark.thorough
def test_the_commands_for_many_pictures_run(
    server: RunningService, tmp_path: Path, photographs: dict[str, bytes]
) -> None:
    [script] = re.findall(r"<!-- many -->\n```sh\n(.*?)```", README, re.DOTALL)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "pictures" / "deep").mkdir(parents=True)
    for path, name in (("rocket.jpg", "rocket"), ("deep/cat.jpg", "chelsea")):
        (tmp_path / "pictures" / path).write_bytes(photographs[name])
    content = {"classes": ["cat", "dog", "rocket", "tree"]}
    assert httpx.put(f"{server.url}/datasets/things", json=content, timeout=60).is_success
    command = ["bash", "-euo", "pipefail", "-c", at(server, script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["answered"], line["before"]) for line in said] == [(2, 0), (2, 0), (0, 2), (2, 0)]
    made = {"answers.csv", "answers.parquet", "answers.coco.json"}
    assert made <= {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / "answers.csv").read_text().count("\n") == 3


def labelled_pictures(folder: Path, photographs: dict[str, bytes]) -> None:
    """Fourteen variants each of two photographs."""
    for label, name in (("cat", "chelsea"), ("rocket", "rocket")):
        (folder / label).mkdir(parents=True)
        picture = Image.open(io.BytesIO(photographs[name]))
        picture.thumbnail((320, 320))
        for number in range(14):
            changed = ImageEnhance.Brightness(picture.rotate(3 * (number - 6))).enhance(0.7 + 0.05 * number)
            changed.save(folder / label / f"{number}.jpg")


@pytest.mark.parametrize("name", [*VIEWS, *FUSIONS, *BENCHMARKS, *ClassifyFields.model_fields])
def test_readme_names_everything_that_can_be_asked_for(name: str) -> None:
    assert f"`{name}`" in README
