"""Tiny real wheels for a real pip, and a tiny real hub for the real hub client."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import REPO, FakeHub
from tiny_wheels import wheel_file, write_wheel

from service.models.catalog import HubSource, Model, WheelSource

INCLUDE = ("config.json", "*.safetensors", "*.bin", "tokenizer/*.json")


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub() as server:
        yield server


@pytest.fixture
def hub_model() -> Model:
    return Model("eyes", "encoder", "open_clip", HubSource(REPO, INCLUDE), "MIT", None, "")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks for packages."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for name, value in {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_RETRIES": "0",
    }.items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def wheel_model(shelf: Path) -> Model:
    """Two files of one wheel and one of another, whose names are not those in the cache."""
    write_wheel(shelf, "seeds", {"seeds/a.onnx": b"a" * 5000, "seeds/b/c.json": b"{}", "seeds/__init__.py": b"1/0"})
    write_wheel(shelf, "roots", {"roots/d.onnx": b"d" * 300})
    files = (
        wheel_file("seeds", "seeds/a.onnx", b"a" * 5000, "a.onnx"),
        wheel_file("seeds", "seeds/b/c.json", b"{}", "text/c.json"),
        wheel_file("roots", "roots/d.onnx", b"d" * 300, "d.onnx"),
    )
    return Model("garden", "encoder", "embedded_clip", WheelSource(files), "MIT", 5302, "")
