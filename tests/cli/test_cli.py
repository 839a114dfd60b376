"""The command line on real models, in this process and in one of its own."""

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from running import RunningService  # type: ignore[import-not-found]
from typer.testing import CliRunner

from service.cli.main import app
from service.cli.render import BOX_COLOUR, save_overlay
from service.client import Answer
from service.errors import BadRequest, InvalidFields, ServiceError

pytestmark = pytest.mark.thorough


@pytest.fixture
def photo(tmp_path: Path, photographs: dict[str, bytes]) -> Path:
    path = tmp_path / "rocket.jpg"
    path.write_bytes(photographs["rocket"])
    return path


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, models_cache: Path) -> None:
    monkeypatch.setenv("L2R2_MODELS_CACHE", str(models_cache))
    monkeypatch.setenv("COLUMNS", "200")


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_one_photograph_is_classified_in_a_process_of_its_own(photo: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.png"
    command = [sys.executable, "-m", "service", "classify", str(photo), "--classes", "cat, dog,rocket,tree", "--json"]
    done = subprocess.run([*command, "--save-overlay", str(overlay)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["label"], answer["fallback"]) == ("rocket", None)
    assert answer["branches"]["full"]["label"] == answer["branches"]["fg"]["label"] == "rocket"
    drawn = np.asarray(Image.open(overlay).convert("RGB"))
    assert drawn.shape == (answer["image"]["height"], answer["image"]["width"], 3)
    rows, columns = np.nonzero((drawn == BOX_COLOUR).all(axis=2))
    assert abs(columns.min() - answer["box"]["x0"]) <= 1
    assert abs(rows.max() - answer["box"]["y1"]) <= 2


def test_the_table_shows_all_branches_and_the_reason(photo: Path) -> None:
    shown = invoke("classify", str(photo), "--classes", "cat,dog,rocket", "--top-k", "2")
    assert "rocket.jpg → rocket" in shown
    told = re.search(r" is surer: ([01]\.[0-9]{4,8}) against ([01]\.[0-9]{4,8}) of ", shown)
    assert told is not None
    assert len(told[1]) == len(told[2])
    assert float(told[1]) > float(told[2])
    assert shown.splitlines()[3].split() == ["full", "fg", "fg_mask", "fused"]


@pytest.mark.parametrize("classes", ["", "cat,cat", "cat,,dog"])
def test_a_bad_class_list_is_refused(photo: Path, classes: str) -> None:
    with pytest.raises(InvalidFields, match="classes"):
        invoke("classify", str(photo), "--classes", classes)


def test_the_demo_names_its_photographs(tmp_path: Path) -> None:
    shown = invoke("demo", "--save-overlays", str(tmp_path / "overlays"))
    for line in ("chelsea → cat", "coffee → cup of coffee", "astronaut → astronaut", "rocket → rocket"):
        assert line in shown
    assert shown.splitlines()[-1].startswith("next: l2r2 serve")
    assert len(list((tmp_path / "overlays").glob("*.png"))) == 4


def test_models_are_listed_with_their_state() -> None:
    shown = invoke("models", "list")
    assert [line for line in shown.splitlines() if line.startswith("u2netp") and "present" in line]
    assert [line for line in shown.splitlines() if line.startswith("siglip2-so400m") and "missing" in line]


def test_present_models_are_pulled_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L2R2_OFFLINE", "1")
    assert "u2netp" in invoke("models", "pull")


def test_a_model_that_is_not_there_cannot_be_pulled_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L2R2_OFFLINE", "1")
    with pytest.raises(ServiceError, match="L2R2_OFFLINE"):
        invoke("models", "pull", "bioclip")


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidFields, match="u2netp"):
        invoke("models", "pull", "unknown")


def test_verify_finds_a_changed_file(tmp_path: Path, models_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "u2netp.onnx: present" in invoke("models", "verify", "u2netp")
    shutil.copytree(models_cache / "u2netp", tmp_path / "u2netp")
    changed = tmp_path / "u2netp" / "u2netp.onnx"
    content = bytearray(changed.read_bytes())
    content[1000] ^= 1
    changed.write_bytes(content)
    monkeypatch.setenv("L2R2_MODELS_CACHE", str(tmp_path))
    result = CliRunner().invoke(app, ["models", "verify", "u2netp"])
    assert result.exit_code == 1
    assert "mismatch" in result.stdout


def test_datasets_are_added_listed_shown_and_deleted(server: RunningService, tmp_path: Path) -> None:
    url = ("--url", server.url)
    names = tmp_path / "names.txt"
    names.write_text("cat\n\ndog\n", encoding="utf-8")
    document = tmp_path / "dataset.json"
    document.write_text('{"classes": ["beagle"], "localizer_prompts": ["dog"]}', encoding="utf-8")
    assert "ready, 2 classes" in invoke("datasets", "add", "pets", "--file", str(names), *url)
    assert "ready, 1 classes" in invoke("datasets", "add", "dogs", "--file", str(document), *url)
    assert "ready, 3 classes" in invoke("datasets", "add", "pets", "--classes", "a,b,c", "--replace", *url)
    assert {"pets", "dogs"} <= set(invoke("datasets", "list", *url).split())
    assert json.loads(invoke("datasets", "show", "dogs", *url))["localizer_prompts"] == ["dog"]
    with pytest.raises(ServiceError, match="409"):
        invoke("datasets", "add", "pets", "--classes", "other", *url)
    invoke("datasets", "delete", "pets", *url)
    with pytest.raises(ServiceError, match="404"):
        invoke("datasets", "show", "pets", *url)


def test_logs_are_json_lines_without_picture_data(server: RunningService, photographs: dict[str, bytes]) -> None:
    httpx.put(f"{server.url}/datasets/logged", json={"classes": ["cat", "dog"]}, timeout=60)
    files = {"image": ("secret-name.jpg", photographs["chelsea"])}
    headers = {"x-request-id": "the-id"}
    httpx.post(f"{server.url}/classify", files=files, data={"dataset": "logged"}, headers=headers, timeout=60)
    httpx.get(f"{server.url}/livez", timeout=60)  # a request is logged when it was answered, and before the next one is
    lines = server.log_lines()
    assert len(lines) == len(server.log.read_text().splitlines())
    assert [line for line in lines if line.get("request_id") == "the-id" and line["status"] == 200]
    assert "secret-name" not in server.log.read_text()


def test_no_service_at_an_address_is_said_plainly() -> None:
    with pytest.raises(ServiceError, match="no service answers"):
        invoke("datasets", "list", "--url", "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"prot": "1"}, "did you mean L2R2_PORT"),
        ({"profile": "unknown"}, "embedded"),
        ({"device": "cuda"}, "L2R2_DEVICE"),
    ],
)
def test_a_bad_setting_stops_the_start_with_a_reason(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    service = RunningService(tmp_path / "log", data_dir=str(tmp_path), **settings)
    assert service.process.wait(60) == 1
    assert words in service.log.read_text()


def test_a_name_is_one_part_of_the_address(server: RunningService) -> None:
    invoke("datasets", "add", "kept", "--classes", "a,b", "--url", server.url)
    for name in ("kept?x", "kept#x", "../datasets/kept"):
        with pytest.raises(ServiceError, match="404"):
            invoke("datasets", "delete", name, "--url", server.url)
    assert json.loads(invoke("datasets", "show", "kept", "--url", server.url))["name"] == "kept"


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe"])
def test_a_dataset_file_that_cannot_be_read_is_said_plainly(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "dataset.json"
    file.write_bytes(content)
    with pytest.raises(BadRequest, match="cannot be read"):
        invoke("datasets", "add", "x", "--file", str(file))


def test_an_overlay_that_is_no_picture_is_refused_before_any_work(photo: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidFields, match="no picture's name"):
        invoke("classify", str(photo), "--classes", "a,b", "--save-overlay", str(tmp_path / "out.xyz"))


def test_an_overlay_of_a_sliver_of_a_box_is_drawn(tmp_path: Path, photographs: dict[str, bytes]) -> None:
    answer = Answer.model_validate({
        "label": "a", "confidence": 1.0, "branch": "full", "fusion": "average", "reason": "", "branches": {},
        "scores": [{"label": "a", "confidence": 1.0}], "image": {"width": 640, "height": 427}, "timings_ms": {},
        "box": {"x0": 63.6, "y0": 0, "x1": 64, "y1": 0.3, "score": 0.5}, "dataset_version": "1",
        "models": {"localizer": "a", "encoder": "b"},
    })  # fmt: skip
    save_overlay(photographs["rocket"], answer, tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as drawn:
        assert drawn.size == (640, 427)


def test_errors_keep_their_brackets() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service", "models", "pull", "[/x]l2r2[demo]"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "[/x]l2r2[demo]" in done.stderr.replace("\n", "")


def test_an_address_that_is_taken_ends_the_start_at_once(server: RunningService, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_hub:
        endpoint = f"http://127.0.0.1:{silent_hub.getsockname()[1]}"
        environment = {"data_dir": str(tmp_path), "models_cache": str(tmp_path / "c"), "hub_endpoint": endpoint}
        service = RunningService(tmp_path / "log", port=server.port, profile="standard", **environment)
        assert service.process.wait(30) == 1
    assert "address already in use" in service.log.read_text()
