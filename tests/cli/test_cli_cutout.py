"""`l2r2 cutout` on real models and photographs."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from service.cli.cutout import cutout, sentences
from service.errors import InvalidFields, SettingsError
from service.evaluation.cutout.run import Summary
from service.evaluation.labelled import read_labelled

pytestmark = pytest.mark.thorough

app = typer.Typer()
app.command("cutout")(cutout)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, models_cache: Path) -> None:
    monkeypatch.setenv("L2R2_MODELS_CACHE", str(models_cache))


@pytest.fixture
def data(tmp_path: Path, photographs: dict[str, bytes]) -> Path:
    for name, label in (("chelsea", "cat"), ("coffee", "cup"), ("rocket", "rocket")):
        path = tmp_path / "data" / label / f"{name}.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(photographs[name])
    (tmp_path / "data" / "cat" / "broken.jpg").write_bytes(photographs["chelsea"][:2000])
    return tmp_path / "data"


def invoke(*arguments: str | Path) -> tuple[str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def test_photographs_are_cut_out_and_listed(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said, warned = invoke("--data", data, "--out", out, "--workers", "1", "--prompt", "cat")
    assert "4 pictures: 3 cut out now, 0 before, 1 not" in said
    assert "are for review: " in said
    assert "failed 1" in said
    assert str(out / "review.html") in said
    assert "u2netp knows no words" in warned
    cutouts = read_labelled(out / "manifest.csv")
    assert [picture.label for picture in cutouts] == ["cat", "cup", "rocket"]
    rocket = np.asarray(Image.open(out / "rocket" / "rocket.png"))
    assert rocket.shape[2] == 4
    assert rocket.shape[0] > rocket.shape[1]  # a rocket stands, and is not squashed
    assert 0.1 < (rocket[..., 3] == 255).mean() < 0.9
    with (out / "review.csv").open(newline="") as file:
        worst = next(csv.DictReader(file))
    assert (worst["original"], worst["flags"]) == ("cat/broken.jpg", "failed")


def test_pictures_of_the_same_size_replace_the_originals_in_their_places(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    invoke(
        "--data", data, "--out", out, "--workers", "0", "--ground", "white", "--frame", "picture", "--format", "jpeg"
    )
    for original in (path for path in data.rglob("*.jpg") if path.name != "broken.jpg"):
        with Image.open(original) as before, Image.open(out / original.relative_to(data)) as after:
            assert before.size == after.size
            assert np.asarray(after)[0, 0].min() >= 250


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--ground", "purple", "ground: 'purple' is not known"),
        ("--frame", "circle", "frame: 'circle' is not known"),
        ("--format", "gif", "format: 'gif' is not known"),
        ("--min-area", "2", "min_area: must lie in"),
        ("--min-score", "-1", "min_score: must lie in"),
    ],
)
def test_bad_options_are_refused_before_a_model_is_loaded(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: str, words: str
) -> None:
    monkeypatch.setenv("L2R2_MODELS_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("L2R2_OFFLINE", "1")
    with pytest.raises(InvalidFields, match=words):
        invoke("--data", data, "--out", tmp_path / "out", option, value)


def test_an_unknown_profile_is_refused_with_the_known_ones(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="embedded"):
        invoke("--data", data, "--out", tmp_path / "out", "--profile", "unknown")


def test_models_without_masks_are_told_of() -> None:
    summary = Summary(total=2, made=2, made_before=0, without=0, suspicious=0, reasons={}, masked=False)
    said = list(sentences(summary, Path("out")))
    assert said[1:3] == ["0 (0.0%) are for review", "no model saw a shape: every object is its whole box"]


def test_a_missing_library_is_named_with_what_brings_it() -> None:
    script = """
import sys
sys.modules["scipy"] = None
from pathlib import Path
from service.cli.cutout import cutout
from service.errors import PackageMissing
try:
    cutout(Path("data"), Path("out"))
except PackageMissing as error:
    print(error.detail)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "cut-outs are checked with scipy: pip install '.[evaluate]'\n"
