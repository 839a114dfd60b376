"""`l2r2 classify`: every field of POST /classify by `--set`, and how answers are shown to people."""

import io
import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

import service
from service.api.schemas import RecognitionOut
from service.api.wire import recognition_out
from service.cli.local import read_options, read_spec
from service.cli.main import app
from service.cli.render import BOX_COLOUR, caption, report, save_overlay
from service.client import Answer
from service.errors import BadRequest, InvalidFields
from service.models.catalog import MODELS
from service.recognition.answers import (
    Branch,
    Candidate,
    Cascade,
    MetadataEffect,
    ObjectAnswer,
    Recognition,
    Score,
    Verdict,
)
from service.recognition.boxes import Box, Detection
from service.stages.options import Options

pytestmark = pytest.mark.thorough

CAT, DOG = Score("cat", 0.7), Score("dog", 0.3)
FULL = Branch("cat", 0.7, (CAT, DOG))
VERDICT = Verdict("cat", 0.7, "full", "average", "full is surer", 0.2, False, (CAT, DOG), {"full": FULL, "fg": None})
FOUND = Detection(Box(10, 20, 60, 80), 0.8)
ANSWER = Recognition(VERDICT, None, (FOUND,), 100, 90, {})


def test_any_field_of_a_request_may_be_given(
    tmp_path: Path, photographs: Mapping[str, bytes], models_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("L2R2_MODELS_CACHE", str(models_cache))
    photo, spec = tmp_path / "rocket.jpg", tmp_path / "spec.json"
    photo.write_bytes(photographs["rocket"])
    priors = {"place": {"counts": {"pad": {"rocket": 9}}}}
    spec.write_text(json.dumps({"classes": ["rocket", "tower", "tree"], "priors": priors}), encoding="utf-8")
    options = ["candidates=2", 'metadata={"place": "pad", "month": 7}', "abstain_below=1", "abstain_by=presence"]
    pairs = [part for option in options for part in ("--set", option)]
    arguments = ["classify", str(photo), "--spec", str(spec), "--branches", "full,fg_margin", "--json", *pairs]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert RecognitionOut.model_validate(answer).model_dump(mode="json") == answer
    assert (answer["label"], answer["abstained"], answer["scores"][0]["label"]) == (None, True, "rocket")
    assert answer["candidates"][0]["label"] == "rocket"
    assert len(answer["candidates"]) == 2
    assert set(answer["branches"]) == {"full", "fg", "fg_margin"}
    assert answer["metadata"]["used"] == {"place": "pad"}
    assert set(answer["metadata"]["ignored"]) == {"month"}


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("topk=3", "topk: is not a known field"),
        ("top_k", "'top_k' is not name=value"),
        ("dataset=pets", "is not name=value"),
        ("top_k=many", "top_k"),
        ("branches=full,middle", "'middle' is not known"),
        ("fusion=mean", "'mean' is not known"),
        ("metadata=7", "metadata"),
        ("objects=51", "objects"),
    ],
)
def test_a_bad_field_is_refused_as_the_service_would(pair: str, words: str) -> None:
    with pytest.raises(InvalidFields, match=words):
        read_options([pair], {})


def test_what_is_not_name_and_value_is_answered_with_the_known_names() -> None:
    with pytest.raises(InvalidFields) as caught:
        read_options(["dataset_version=1"], {})
    assert set(caught.value.problems[0].allowed or ()) == {field.name for field in fields(Options)}


def test_pairs_win_over_what_has_options_of_its_own() -> None:
    found = read_options(
        ["top_k=2", "blur=0.1", "embeddings=yes"], {"top_k": "5", "branches": "fg, full", "fusion": None}
    )
    assert found == replace(Options(), top_k=2, blur=0.1, embeddings=True, branches=("fg", "full"))


def write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_list_of_names_is_a_dataset_too(tmp_path: Path) -> None:
    spec = read_spec(None, write(tmp_path / "spec.json", ["cat", "dog"]), ["{}"], ["animal"])
    assert (spec.labels, spec.templates, spec.localizer_prompts) == (("cat", "dog"), ("{}",), ("animal",))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (3, "no JSON object and no list"),
        ("cat", "no JSON object and no list"),
        ({"classes": 3}, "classes"),
        ({"classes": [{"name": "a", "images": ["YQ=="]}]}, "example pictures need a registered dataset"),
        ({"classes": ["a"], "fusion": "concat_fc"}, "must be fitted"),
    ],
)
def test_a_document_that_is_no_dataset_is_refused(tmp_path: Path, document: Any, words: str) -> None:
    with pytest.raises((BadRequest, InvalidFields), match=words):
        read_spec(None, write(tmp_path / "spec.json", document), ["a {}"], None)


def test_a_specification_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.json"):
        with pytest.raises(BadRequest, match="cannot be read"):
            read_spec(None, path, None, None)


@pytest.mark.parametrize(
    ("target", "words"),
    [("missing/x.png", "there is no folder"), ("folder.png", "is a folder"), ("x.txt", "is no picture's name")],
)
def test_an_overlay_that_cannot_be_written_is_refused_before_a_model_runs(
    tmp_path: Path, target: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("L2R2_MODELS_CACHE", str(tmp_path / "no models"))
    monkeypatch.setenv("L2R2_OFFLINE", "1")
    (tmp_path / "folder.png").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "photo.png")
    arguments = ["classify", str(tmp_path / "photo.png"), "--classes", "cat,dog"]
    with pytest.raises(InvalidFields, match=words):
        CliRunner().invoke(app, [*arguments, "--save-overlay", str(tmp_path / target)], catch_exceptions=False)


class Named:
    name = "a model"


def sent(answer: Recognition) -> Answer:
    document = recognition_out(answer, "pets", "0" * 64, (Named(), Named()), "")  # type: ignore[arg-type]
    return Answer.model_validate(document)


def shown(answer: Recognition) -> str:
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(report("photo.jpg", sent(answer)))
    return console.export_text()


def test_a_plain_answer_shows_its_branches_side_by_side() -> None:
    lines = shown(ANSWER).splitlines()
    assert lines[0] == "photo.jpg → cat 70.0%"
    assert lines[1] == "full is surer"
    assert lines[2] == "100 x 90 pixels, box (10, 20, 60, 80), score 0.80"
    assert lines[3].split() == ["full", "fg", "fused"]
    assert lines[4].split() == ["70.0%", "cat", "not", "used", "70.0%", "cat"]


def test_everything_that_was_asked_for_is_shown() -> None:
    withheld = replace(VERDICT, label=None, abstained=True)
    answer = replace(
        ANSWER,
        verdict=withheld,
        objects=(ObjectAnswer(FOUND, VERDICT), ObjectAnswer(Detection(Box(0, 0, 5, 5), 0.4), withheld)),
        candidates=(Candidate("cat", FOUND, {"full": 1.0}, 12.345), Candidate("dog", None, {"full": 1.0}, 2.0)),
        metadata=MetadataEffect({}, {"month": "the dataset has no prior for it"}, DOG),
        cascade=Cascade("full", 0.4, False),
    )
    text = shown(answer)
    for line in (
        "photo.jpg → none of them (nearest: cat) 70.0%",
        "no class is sure enough to be named; full is surer",
        "object (10, 20, 60, 80): cat 70.0%",
        "object (0, 0, 5, 5): none of them (nearest: cat) 70.0%",
        "candidate cat: (10, 20, 60, 80), logit 12.35",
        "candidate dog: not found, logit 2.00",
        "without metadata: dog 30.0%",
        "ignored month: the dataset has no prior for it",
        "full was asked first, 40.0% sure: the others were asked too",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("fallback", "words"),
    [
        ("no_detection", "no object was found; full"),
        ("low_score", "the box is too uncertain; full"),
        ("timeout", "the localizer took too long; full"),
        ("disabled", "no box was asked for; full"),
    ],
)
def test_a_fallback_is_said_in_plain_words(fallback: Any, words: str) -> None:
    assert words in shown(replace(ANSWER, fallback=fallback, detections=()))


def test_a_withheld_answer_names_the_nearest_class() -> None:
    withheld = replace(ANSWER, verdict=replace(VERDICT, label=None, abstained=True))
    assert caption(sent(withheld)) == "none of them (nearest: cat)"


def test_each_object_is_drawn_into_the_picture(tmp_path: Path) -> None:
    Image.new("RGB", (100, 90)).save(tmp_path / "photo.png")
    other = Detection(Box(70, 40, 95, 85), 0.6)
    answer = replace(ANSWER, objects=(ObjectAnswer(FOUND, VERDICT), ObjectAnswer(other, VERDICT)))
    save_overlay((tmp_path / "photo.png").read_bytes(), sent(answer), tmp_path / "drawn.png")
    with Image.open(tmp_path / "drawn.png") as drawn:
        pixels = np.asarray(drawn.convert("RGB"))
    marked = (pixels == BOX_COLOUR).all(axis=2)
    for box in (FOUND.box, other.box):
        lower, right = int(box.y1) - 1, int(box.x1) - 1
        assert marked[lower, int(box.x0) : right].all()
        assert marked[int(box.y0) + 30 : lower, right].all()


def test_the_version_is_told() -> None:
    told = CliRunner().invoke(app, ["--version"])
    assert (told.exit_code, told.stdout) == (0, f"l2r2 {service.__version__}\n")


def test_names_of_models_can_be_copied_from_the_narrowest_list() -> None:
    listed = CliRunner().invoke(app, ["models", "list"], env={"COLUMNS": "40"}).stdout
    assert set(MODELS) <= set(listed.split())
