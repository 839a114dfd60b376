"""`l2r2 variants` on real photographs and models, and its refusals."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from PIL import Image
from rich.progress import Progress
from typer.testing import CliRunner

from service.cli import variants
from service.errors import BadRequest, InvalidFields
from service.evaluation.labelled import read_labelled
from service.evaluation.objects import ObjectFinder
from service.evaluation.variants import make_variants
from service.images import decode
from service.models.ports import LocatorInput, PromptSet
from service.recognition.boxes import Box, Detection

pytestmark = pytest.mark.thorough

app = typer.Typer()
app.command()(variants.variants)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, models_cache: Path) -> None:
    monkeypatch.setenv("L2R2_MODELS_CACHE", str(models_cache))
    monkeypatch.setenv("L2R2_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def photos(tmp_path: Path, photographs: dict[str, bytes]) -> Path:
    """A folder for each label."""
    for label, name in (("cat", "chelsea"), ("rocket", "rocket"), ("cup of coffee", "coffee")):
        folder = tmp_path / "photos" / label
        folder.mkdir(parents=True)
        photograph = Image.fromarray(decode(photographs[name]).rgb)
        photograph.thumbnail((240, 240))
        photograph.save(folder / f"{name}.jpg", quality=92)
    return tmp_path / "photos"


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def pixels(path: Path) -> NDArray[np.uint8]:
    return decode(path.read_bytes()).rgb


def test_models_find_the_objects_of_pictures_without_masks(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("--data", photos, "--out", out, "--kinds", "only_fg, no_fg,mixed_next", "--workers", 1)
    shown = invoke(*arguments)
    assert "mixed_next  3" in shown
    assert "9 made now, 0 before" in shown
    assert "left out" not in shown
    read = read_labelled(out / "variants.csv")
    assert {picture.label for picture in read} == {"cat", "rocket", "cup of coffee"}
    front, back = pixels(out / "only_fg/cat/chelsea.png"), pixels(out / "no_fg/cat/chelsea.png")
    assert (front + back == pixels(photos / "cat/chelsea.jpg")).all()
    assert 0.1 < front.any(axis=2).mean() < 0.9
    assert "0 made now, 9 before" in invoke(*arguments)


def test_given_masks_need_no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("L2R2_MODELS_CACHE", str(tmp_path / "empty"))
    lines = ["path,label,mask"]
    for name, level in (("a", 90), ("b", 160)):
        Image.new("RGB", (20, 16), (level, level, level)).save(tmp_path / f"{name}.png")
        mask = np.zeros((16, 20), np.uint8)
        mask[4:10, 5:12] = 255
        Image.fromarray(mask).save(tmp_path / f"{name}-mask.png")
        lines.append(f"{name}.png,class {name},{name}-mask.png")
    lines.append("a.png,,")
    table = tmp_path / "pictures.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    out = tmp_path / "out"
    arguments = ("--data", table, "--out", out, "--adversarial", 2, "--workers", 1, "--format", "jpeg")
    shown = invoke(*arguments)
    assert "left out (1): it has no label" in shown
    assert "left out (2): mixed_adversarial: 1 backgrounds instead of 2" in shown
    made = pixels(out / "mixed_adversarial/class a/a-1.jpg")
    assert abs(int(made[6, 8, 0]) - 90) <= 2
    assert abs(int(made[1, 1, 0]) - 160) <= 2


class Boxes:
    """A localizer that sees no shapes and reads short prompts."""

    name, revision, default_threshold, reads_prompts, gives_masks = "boxes", "1", 0.3, True, False

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def check_prompts(self, prompts: PromptSet) -> None:
        if any(len(prompt) > 10 for prompt in prompts.prompts):
            raise ValueError("at most 10 characters")

    def preprocess(self, rgb: NDArray[np.uint8], prompts: PromptSet) -> LocatorInput:
        self.asked.append(prompts.prompts)
        return LocatorInput(np.zeros((3, 1, 1), np.float32), rgb.shape[1], rgb.shape[0], prompts)

    def locate(self, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
        return [[Detection(Box(2, 2, 9, 9), 0.9)] for _ in inputs]


class Models(variants._Models):
    def __init__(self, *prompts: str) -> None:
        super().__init__(None, prompts, Progress())
        self.localizer = Boxes()

    def _load(self) -> ObjectFinder:
        return ObjectFinder(self.localizer)


def test_a_box_without_a_shape_is_no_mask(photos: Path, tmp_path: Path) -> None:
    models = Models()
    with pytest.raises(BadRequest, match="none of 3 pictures can be used; mostly: no object was found"):
        make_variants(read_labelled(photos), tmp_path / "out", ["only_fg"], finder=models.finder())
    assert models.localizer.asked == [("cat",), ("rocket",)]
    reasons = (tmp_path / "out/skipped.csv").read_text(encoding="utf-8")
    assert "its label cannot be looked for: prompt: at most 10 characters" in reasons


def test_a_prompt_stands_in_for_the_labels(photos: Path, tmp_path: Path) -> None:
    models = Models("thing")
    with pytest.raises(BadRequest, match="no object was found"):
        make_variants(read_labelled(photos), tmp_path / "out", ["only_fg"], finder=models.finder())
    assert models.localizer.asked == [("thing",)] * 3
    with pytest.raises(InvalidFields, match="at most 10 characters"):
        make_variants(read_labelled(photos), tmp_path / "o", ["only_fg"], finder=Models("a long prompt").finder())


def test_pictures_without_masks_are_refused_where_nothing_looks_for_them(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="none of 3 pictures can be used; mostly: it has neither box nor mask"):
        invoke("--data", photos, "--out", tmp_path / "out", "--no-segment", "--workers", 1)


@pytest.mark.parametrize(
    ("option", "value", "allowed"), [("--kinds", "only_fg,foreground", "mixed_rand"), ("--format", "bmp", "jpeg")]
)
def test_unknown_names_are_refused_with_the_known(
    photos: Path, tmp_path: Path, option: str, value: str, allowed: str
) -> None:
    with pytest.raises(InvalidFields) as refused:
        invoke("--data", photos, "--out", tmp_path / "out", option, value)
    assert allowed in (refused.value.problems[0].allowed or ())


def test_nothing_is_made_among_the_data(photos: Path) -> None:
    with pytest.raises(BadRequest, match="would be taken for data the next time"):
        invoke("--data", photos, "--out", photos / "out")
