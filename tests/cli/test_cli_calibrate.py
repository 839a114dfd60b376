"""`l2r2 datasets calibrate`, `versions`, `use` and `add --examples` against a running service."""

import hashlib
import io
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from altered import LABELS, variants  # type: ignore[import-not-found]
from running import RunningService  # type: ignore[import-not-found]
from typer.testing import CliRunner, Result

from service.cli.datasets import with_examples
from service.cli.main import app
from service.errors import FileUnreadable, InvalidFields, ServiceError

pytestmark = pytest.mark.thorough


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["datasets", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory, photographs: Mapping[str, bytes]) -> Path:
    """A table of 21 pictures of four classes, one of them of none, and of one file that is no picture."""
    folder = tmp_path_factory.mktemp("labelled")
    rows = []
    for label, name, data in variants(photographs, 6)[:21]:
        (folder / f"{name}.png").write_bytes(data)
        rows.append((f"{name}.png", "" if name == "astronaut-soft" else label))
    (folder / "broken.png").write_bytes(b"\x89PNG no picture")
    table = folder / "pictures.csv"
    lines = [f"{name},{label}" for name, label in [*rows[:5], ("broken.png", "cat"), *rows[5:]]]
    table.write_text("\n".join(["path,label", *lines]), encoding="utf-8")
    return table


@pytest.fixture(scope="session")
def hasty(server: RunningService) -> str:
    """A dataset that would answer by the full picture alone, and fuses two views if not."""
    content = {"classes": [*LABELS.values()], "branches": ["full", "fg"], "cascade": 0.0}
    assert httpx.put(f"{server.url}/datasets/hasty", json=content, timeout=60).is_success
    return "hasty"


@pytest.fixture(scope="session")
def first(server: RunningService, hasty: str, labelled: Path) -> Result:
    """Its first calibration; embeddings are kept beside the table."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("COLUMNS", "200")
        cache = labelled.parent / "looks.sqlite"
        arguments = ("--data", labelled, "--fusion", "best", "--cache", cache, "--url", server.url)
        return run("calibrate", hasty, *arguments, "--validation-share", 0.4)


def versions_of(server: RunningService, name: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = httpx.get(f"{server.url}/datasets/{name}/versions").json()["versions"]
    return listed


def test_a_calibration_says_what_it_found_and_is_kept(server: RunningService, hasty: str, first: Result) -> None:
    calibrated, registered = versions_of(server, hasty)
    assert (calibrated["origin"], calibrated["current"], registered["current"]) == ("calibrated", False, True)
    note = calibrated["note"]
    assert f"fitted to {note['fit_count']} pictures, measured on {note['validation_count']} others" in first.stdout
    assert (note["fit_count"], note["validation_count"]) == (12, 8)  # one of 21 shows none of the classes
    for row in note["methods"]:
        assert f"{row['method']} " in first.stdout
    assert {"full", "fg", "scaled_average"} <= {row["method"] for row in note["methods"]}
    assert f"version {calibrated['version'][:12]} ({note['fusion']}) is kept; it does not answer yet" in first.stdout
    assert "concat_fc" in note["refused"]
    assert f"abstaining at a presence below {note['abstain_below']:.4f}" in first.stdout
    for what, why in note["refused"].items():
        assert f"not fitted: {what}: {why}" in first.stdout


def test_pictures_that_cannot_be_read_are_named_and_left_out(first: Result, labelled: Path) -> None:
    assert str(labelled.parent / "broken.png") in first.stderr.replace("\n", "")


def test_all_views_are_looked_at_whatever_the_dataset_s_cascade_is(first: Result, labelled: Path) -> None:
    with sqlite3.connect(labelled.parent / "looks.sqlite") as connection:
        kept = [(json.loads(facts), np.load(io.BytesIO(vectors)))
                for facts, vectors in connection.execute("SELECT facts, vectors FROM looks")]  # fmt: skip
    connection.close()
    assert len(kept) == 21
    for facts, vectors in kept:
        assert set(facts["asked"]) == {"full", "fg"}
        assert set(vectors.files) == ({"full", "fg"} if facts["fallback"] is None else {"full"})
        assert 0 <= facts["box_score"] <= 1
    fallbacks = [facts["fallback"] for facts, _ in kept]
    assert fallbacks.count(None) > 15


def test_a_further_calibration_looks_at_nothing_again_and_may_answer_at_once(
    server: RunningService, hasty: str, first: Result, labelled: Path
) -> None:
    cache = labelled.parent / "looks.sqlite"
    before = hashlib.sha256(cache.read_bytes()).hexdigest()
    options = ("--fusion", "scaled_average", "--no-learn", "--temperatures", "branch", "--seed", 3)
    abstention = ("--abstain", "--abstain-by", "confidence", "--keep-right", 0.9)
    shown = run(
        "calibrate", hasty, "--data", labelled, "--cache", cache, "--url", f"{server.url}/",
        "--branches", "full, fg", *options, *abstention, "--activate",
    )  # fmt: skip
    assert hashlib.sha256(cache.read_bytes()).hexdigest() == before
    assert "(scaled_average) answers now" in shown.stdout
    assert "abstaining at a confidence below" in shown.stdout
    now = httpx.get(f"{server.url}/datasets/{hasty}").json()
    assert (now["fusion"], now["abstain_by"], now["calibration"]["network"]) == ("scaled_average", "confidence", None)
    assert now["abstain_below"] is not None
    assert json.loads(run("show", hasty, "--url", server.url).stdout) == now

    listed = run("versions", hasty, "--url", server.url).stdout.splitlines()
    rows = versions_of(server, hasty)
    assert [line.split()[0] for line in listed[1:]] == [row["version"][:12] for row in rows]
    assert [line.rstrip().endswith("now") for line in listed[1:]] == [row["current"] for row in rows]
    [registered] = [row["version"] for row in rows if row["origin"] == "registered"]
    put_back = run("use", hasty, registered[:8], "--url", server.url).stdout
    assert f"{registered[:12]} answers now" in put_back
    assert httpx.get(f"{server.url}/datasets/{hasty}").json()["version"] == registered
    with pytest.raises(ServiceError, match="404: '00000000' is not one of the versions"):
        run("use", hasty, "0" * 8, "--url", server.url)


def test_labels_that_are_no_classes_are_refused_before_any_picture_is_sent(
    server: RunningService, labelled: Path, tmp_path: Path
) -> None:
    assert httpx.put(f"{server.url}/datasets/few", json={"classes": ["cat", "rocket"]}, timeout=60).is_success
    cache = tmp_path / "looks.sqlite"
    with pytest.raises(InvalidFields, match="'astronaut', 'cup of coffee' of the pictures' labels"):
        run("calibrate", "few", "--data", labelled, "--cache", cache, "--url", server.url)
    assert not cache.exists()


def test_what_the_service_refuses_is_said_in_its_words(
    server: RunningService, hasty: str, labelled: Path, tmp_path: Path
) -> None:
    arguments = ("--data", labelled, "--url", server.url)
    with pytest.raises(ServiceError, match="'middle' is not known"):
        run("calibrate", hasty, *arguments, "--branches", "full,middle")
    with pytest.raises(ServiceError, match="404: no dataset is named 'nobody'"):
        run("calibrate", "nobody", *arguments)
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ServiceError, match="422: items: calibration needs 20 pictures"):
        run("calibrate", hasty, "--data", tmp_path, "--url", server.url)
    with pytest.raises(ServiceError, match=r"no service answers at http://127\.0\.0\.1:9"):
        run("calibrate", hasty, "--data", labelled, "--url", "http://127.0.0.1:9")


def test_example_pictures_make_classes(
    server: RunningService, photographs: Mapping[str, bytes], tmp_path: Path
) -> None:
    for folder, name in (("first", "chelsea"), ("second", "coffee")):
        (tmp_path / "examples" / folder).mkdir(parents=True)
        (tmp_path / "examples" / folder / f"{name}.JPG").write_bytes(photographs[name])
    (tmp_path / "examples" / "notes.txt").touch()
    (tmp_path / "examples" / "second" / "notes.txt").touch()
    url = ("--url", server.url)
    shown = run("add", "pictured", "--examples", tmp_path / "examples", "--image-weight", 1, *url).stdout
    assert "pictured: ready, 2 classes" in shown
    files = {"image": photographs["chelsea"]}
    answer = httpx.post(f"{server.url}/classify", files=files, data={"dataset": "pictured"}, timeout=60).json()
    assert answer["label"] == "first"

    shown = run("add", "mixed", "--classes", "third, second", "--examples", tmp_path / "examples", *url).stdout
    assert "3 classes" in shown
    classes = json.loads(run("show", "mixed", *url).stdout)["classes"]
    assert [(entry["name"], len(entry.get("images", []))) for entry in classes] == [
        ("third", 0),
        ("second", 1),
        ("first", 1),
    ]
    assert classes[1]["image_weight"] == 0.5
    document = tmp_path / "settings.json"
    document.write_text('{"localizer_prompts": ["thing"]}', encoding="utf-8")
    run("add", "set", "--file", document, "--examples", tmp_path / "examples", *url)
    assert json.loads(run("show", "set", *url).stdout)["localizer_prompts"] == ["thing"]


def test_examples_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loose.jpg").touch()
    with pytest.raises(FileUnreadable, match="no pictures in folders"):
        with_examples(["a"], tmp_path, 0.5)
    with pytest.raises(InvalidFields, match="classes: must be a list"):
        with_examples({"a": 1}, tmp_path, 0.5)


def test_examples_find_their_class_however_it_is_spelled(tmp_path: Path) -> None:
    (tmp_path / "cafe\u0301").mkdir()
    (tmp_path / "cafe\u0301" / "a.jpg").write_bytes(b"a")
    (tmp_path / "cafe\u0301" / "b.jpg").mkdir()
    given = [{"name": "caf\u00e9", "images": ["sha256:0"], "prompts": ["x"]}, "tea"]
    found = with_examples(given, tmp_path, 0.25)
    assert found == [
        {"name": "caf\u00e9", "images": ["sha256:0", "YQ=="], "prompts": ["x"], "image_weight": 0.25},
        {"name": "tea"},
    ]
