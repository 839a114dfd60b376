"""What is shipped: every module, its types, and what it is licensed under."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import service
from service.answer_headers import VERSION_HEADER
from service.cli.main import app
from service.models.catalog import PROFILES

ROOT = Path(__file__).parents[1]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The wheel's files by name."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [wheel] = folder.glob("l2r2-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_every_module_and_its_types_are_shipped(shipped: dict[str, bytes]) -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "service").rglob("*.py")}
    assert modules <= set(shipped)
    assert shipped["service/py.typed"] == b"", "the whole package has types"
    assert "service/models/projector/text_projector.safetensors" in shipped
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "service/web").rglob("*.*")} <= set(shipped)
    assert not [name for name in shipped if name.startswith("tests")]


def test_the_wheel_says_what_it_is(shipped: dict[str, bytes]) -> None:
    [metadata] = [data.decode() for name, data in shipped.items() if name.endswith(".dist-info/METADATA")]
    assert f"Version: {service.__version__}\n" in metadata
    assert "Classifier: Typing :: Typed\n" in metadata
    assert [name for name in shipped if name.endswith("LICENSE")]


def test_the_changelog_begins_with_what_is_not_released() -> None:
    headings = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)
    assert headings[0] == f"[Unreleased]: {service.__version__}"
    assert VERSION_HEADER in CHANGELOG
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    commands |= {group.name for group in app.registered_groups if group.name}
    assert {name for name in (*commands, *PROFILES) if f"`{name}`" not in CHANGELOG} == set()
