"""Calibration over HTTP: labelled pictures make a further version of a dataset, which answers when it is told to."""

import asyncio
import base64
import threading
from collections.abc import Mapping
from typing import Any

import httpx
import numpy as np
import pytest
from altered import LABELS  # type: ignore[import-not-found]
from asking import (  # type: ignore[import-not-found]
    alike,
    answer_to,
    encoded,
    put_dataset,
    scores_of,
    softmax,
    unchanging,
    vectors_of,
)
from fastapi import FastAPI

from service.recognition.fusion import FUSIONS

pytestmark = pytest.mark.anyio
NAMES = ["cat", "fox", "cup of coffee", "bowl of soup", "rocket", "tower", "astronaut", "pilot"]
FOUR = [*LABELS.values()]  # all of which there are pictures of
BRANCHES = ["full", "fg", "fg_mask"]
Items = list[dict[str, Any]]


@pytest.fixture(scope="session")
async def items(client: httpx.AsyncClient, rivals: str, altered: Mapping[str, bytes]) -> Items:
    """24 pictures of four classes as the embeddings that classifying them gave; in two of them nothing is found."""
    names, found = list(altered), []
    for start in range(0, len(names), 4):
        files = [("images", (name, altered[name])) for name in names[start : start + 4]]
        fields = {"dataset": rivals, "embeddings": "true", "top_k": "1"}
        results = (await client.post("/classify/batch", files=files, data=fields)).json()["results"]
        found += [entry["result"] for entry in results]
    assert {answer["fallback"] for answer in found} == {None, "low_score"}
    labels = [LABELS[name.split("-")[0]] for name in names]
    return [
        {"label": label, "embeddings": answer["embeddings"], "box_score": answer["box"]["score"]}
        for label, answer in zip(labels, found, strict=True)
    ]


async def calibrate(client: httpx.AsyncClient, dataset: str, **body: Any) -> dict[str, Any]:
    response = await client.post(f"/datasets/{dataset}/calibration", json=body)
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    return document


async def refused(client: httpx.AsyncClient, dataset: str, **body: Any) -> list[dict[str, Any]]:
    response = await client.post(f"/datasets/{dataset}/calibration", json=body)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "invalid_fields"), problem
    errors: list[dict[str, Any]] = problem["errors"]
    return errors


LEARNT = {"fusion": "class_weighted_logits", "validation_share": 0.25}


@pytest.fixture(scope="session")
async def report(client: httpx.AsyncClient, items: Items) -> dict[str, Any]:
    """A calibrated version that is kept and does not answer yet."""
    await put_dataset(client, "fitted", classes=FOUR)
    return await calibrate(client, "fitted", items=items * 3, **LEARNT)  # the networks want more than there are


async def test_a_calibration_is_measured_on_pictures_that_it_did_not_see(report: dict[str, Any]) -> None:
    assert (report["name"], report["current"], report["seed"]) == ("fitted", False, 0)
    assert (report["fit_count"], report["validation_count"]) == (56, 16)
    assert report["branches"] == BRANCHES
    methods = {row["method"]: row for row in report["methods"]}
    assert set(methods) == {*BRANCHES, *FUSIONS}
    for row in methods.values():
        assert all(0 <= value <= 1 for name, value in row.items() if name != "method")
    assert methods["full"]["accuracy_before"] >= 12 / 16
    assert 0 <= report["abstain_below"] <= 1
    assert report["kept_right"] >= 0.95
    assert report["answered_none"] is None


async def test_the_dataset_answers_as_before_until_the_version_is_named(
    client: httpx.AsyncClient, report: dict[str, Any], altered: Mapping[str, bytes]
) -> None:
    image = altered["rocket-dark"]
    await put_dataset(client, "unfitted", classes=FOUR)
    before = await answer_to(client, image, dataset="unfitted")
    now = await answer_to(client, image, dataset="fitted")
    assert unchanging(now, "dataset") == unchanging(before, "dataset")
    assert now["dataset_version"] == report["base_version"]
    named = await answer_to(client, image, dataset="fitted", dataset_version=report["version"][:12])
    assert named["dataset_version"] == report["version"]
    assert named["fusion"] == "class_weighted_logits"
    assert named["branches"] == now["branches"]
    assert named["scores"] != now["scores"]


async def test_versions_are_listed_with_what_was_found(client: httpx.AsyncClient, report: dict[str, Any]) -> None:
    listed = (await client.get("/datasets/fitted/versions")).json()["versions"]
    calibrated = [row for row in listed if row["version"] == report["version"]]
    assert [(row["origin"], row["current"]) for row in calibrated] == [("calibrated", False)]
    note = calibrated[0]["note"]
    assert all(note[name] == report[name] for name in ("methods", "fit_count", "fusion", "abstain_below", "refused"))
    assert [row["version"] for row in listed if row["current"]] == [report["base_version"]]


async def test_every_learnt_fusion_answers_in_the_calibrated_version(
    client: httpx.AsyncClient, app: FastAPI, report: dict[str, Any], altered: Mapping[str, bytes]
) -> None:
    """And what they answer is what their parameters say of the views' embeddings."""
    fields = {"dataset": "fitted", "dataset_version": report["version"], "top_k": 8, "embeddings": True}
    parts = app.state.service.parts
    dataset = parts.registry.lookup("fitted", report["version"])
    found, answers = dataset.spec.calibration, {}
    for fusion in ("class_weighted_logits", "concat_fc", "scaled_weighted_average", "max_scaled_confidence"):
        answers[fusion] = await answer_to(client, altered["chelsea-left"], fusion=fusion, **fields)
    vectors = vectors_of(answers["concat_fc"])
    logits = {view: parts.recognizer.encoder.logit_scale * (dataset.prototypes @ vectors[view]) for view in BRANCHES}
    flat = {view: row - row.mean() for view, row in logits.items()}
    scaled = {view: logits[view] / found.temperatures[view][0] for view in BRANCHES}
    hidden = np.concatenate([flat[view] for view in found.branches])
    for weights, bias in found.network.layers[:-1]:
        hidden = np.maximum(hidden @ weights + bias, 0)
    weights, bias = found.network.layers[-1]
    surest = max(scaled, key=lambda view: softmax(scaled[view]).max())
    expected = {
        "class_weighted_logits": sum(np.array(found.class_weights[view]) * flat[view] for view in BRANCHES),
        "concat_fc": hidden @ weights + bias,
        "scaled_weighted_average": sum(found.weights[view] * scaled[view] for view in BRANCHES),
        "max_scaled_confidence": scaled[surest],
    }
    for fusion, answer in answers.items():
        assert scores_of(answer, FOUR) == pytest.approx(softmax(expected[fusion]), abs=2e-4), fusion


async def test_a_learnt_fusion_wants_the_branches_that_it_was_fitted_to(
    client: httpx.AsyncClient, report: dict[str, Any], altered: Mapping[str, bytes]
) -> None:
    fields = {"dataset": "fitted", "dataset_version": report["version"], "fusion": "concat_fc"}
    answer = await client.post(
        "/classify", files={"image": altered["rocket-dark"]}, data={**fields, "branches": "full,fg"}
    )
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (422, "fusion")
    assert "calibrated for full, fg, fg_mask" in error["detail"]
    # Where nothing is found, there is no picture for most of them: the full one answers alone.
    alone = await answer_to(client, altered["rocket-soft"], **fields)
    assert (alone["fallback"], alone["branch"]) == ("low_score", "full")
    scaled = [score["label"] for score in alone["scores"]]  # by the branch's temperature, which moves no label
    assert scaled == [score["label"] for score in alone["branches"]["full"]["scores"]]


async def test_pictures_and_their_embeddings_give_the_same_calibration(
    client: httpx.AsyncClient, items: Items, report: dict[str, Any], altered: Mapping[str, bytes]
) -> None:
    """Also of a dataset that would answer by a cascade: every view is looked at all the same."""
    cascade = {"cascade": 0.0, "branches": BRANCHES}
    await put_dataset(client, "pictured", classes=FOUR, **cascade)
    names = list(altered)
    mixed = [
        {"label": item["label"], "image": encoded(altered[name])} if name.endswith("soft") else item
        for name, item in zip(names, items, strict=True)
    ]
    found = await calibrate(client, "pictured", items=mixed + items * 2, **LEARNT)
    for row, expected in zip(found["methods"], report["methods"], strict=True):
        assert alike(row, expected, 1e-3)
    assert alike(found["abstain_below"], report["abstain_below"], 1e-3)
    assert found["refused"] == report["refused"]


async def test_the_same_pictures_give_the_same_version(
    client: httpx.AsyncClient, items: Items, report: dict[str, Any]
) -> None:
    as_numbers = [
        {**item, "embeddings": {view: np.frombuffer(base64.b64decode(text), "<f4").tolist()
                                for view, text in item["embeddings"].items()}}
        for item in items
    ]  # fmt: skip
    again = await calibrate(client, "fitted", items=as_numbers * 3, **LEARNT, branches=["fg_mask", "full", "fg"])
    assert unchanging(again) == unchanging(report)


async def test_the_best_fusion_is_the_one_most_often_right(client: httpx.AsyncClient, items: Items) -> None:
    await put_dataset(client, "best", classes=NAMES, fusion="robust")
    found = await calibrate(client, "best", items=items, fusion="best", learn=False)
    right = {row["method"]: row["accuracy_after"] for row in found["methods"] if row["method"] in FUSIONS}
    assert right[found["fusion"]] == max(right.values())
    assert {"class_weighted_logits", "concat_fc"} <= set(found["refused"])
    assert not {"class_weighted_logits", "concat_fc"} & set(right)
    kept = await calibrate(client, "best", items=items, learn=False)
    assert kept["fusion"] == "robust"
    shown = await answer_of(client, "best", found["version"])
    assert shown["fusion"] == found["fusion"]


async def answer_of(client: httpx.AsyncClient, name: str, version: str) -> dict[str, Any]:
    """The version's content, after it was made the one that answers."""
    put = await client.put(f"/datasets/{name}/current", json={"version": version})
    assert (put.status_code, put.json()["current"]) == (200, True)
    shown: dict[str, Any] = (await client.get(f"/datasets/{name}")).json()
    assert shown["version"] == version
    return shown


async def test_an_activated_version_answers_and_the_one_before_may_be_put_back(
    client: httpx.AsyncClient, items: Items, altered: Mapping[str, bytes]
) -> None:
    before = await put_dataset(client, "active", classes=NAMES)
    options = {"fusion": "scaled_average", "branches": ["full", "fg"], "learn": False}
    found = await calibrate(client, "active", items=items, activate=True, **options)
    assert (found["current"], found["branches"]) == (True, ["full", "fg"])
    image = altered["rocket-dark"]
    answer = await answer_to(client, image, dataset="active")
    assert (answer["dataset_version"], answer["fusion"]) == (found["version"], "scaled_average")
    assert set(answer["branches"]) == {"full", "fg"}
    shown = (await client.get("/datasets/active")).json()
    assert shown["calibration"]["branches"] == ["full", "fg"]
    assert shown["calibration"]["temperatures"].keys() == {"full", "fg"}
    put_again = await client.put("/datasets/active", json=shown)
    assert (put_again.status_code, put_again.json()) == (200, shown)

    # A calibration of the calibrated version starts from its branches, and from the same pictures comes to the same.
    again = await calibrate(client, "active", items=items, learn=False)
    assert (again["version"], again["base_version"]) == (found["version"], found["version"])
    back = await client.put("/datasets/active/current", json={"version": before["version"][:8]})
    assert (back.status_code, back.json()["origin"]) == (200, "registered")
    assert (await answer_to(client, image, dataset="active"))["fusion"] == "max_confidence"


@pytest.mark.parametrize("by", ["presence", "confidence"])
async def test_abstention_keeps_the_right_answers_and_is_told_of_the_others(
    client: httpx.AsyncClient, items: Items, altered: Mapping[str, bytes], by: str
) -> None:
    """Rockets are none of the classes here."""
    labelled = [{**item, "label": None if item["label"] == "rocket" else item["label"]} for item in items]
    classes = [name for name in NAMES if name not in ("rocket", "tower")]
    await put_dataset(client, "withholding", classes=classes)
    options = {"abstain": True, "abstain_by": by, "keep_right": 0.9, "validation_share": 0.6, "learn": False}
    found = await calibrate(client, "withholding", items=labelled * 2, activate=True, **options)
    assert found["kept_right"] >= 0.9
    assert 0 <= found["answered_none"] <= 1
    assert (found["fit_count"] + found["validation_count"], found["abstain_by"]) == (36, by)
    shown = (await client.get("/datasets/withholding")).json()
    assert (shown["abstain_below"], shown["abstain_by"]) == (pytest.approx(found["abstain_below"]), by)
    answer = await answer_to(client, altered["rocket-mirrored"], dataset="withholding", top_k=1)
    level = answer["confidence"] if by == "confidence" else answer["presence"]
    assert answer["abstained"] == (level < found["abstain_below"])
    sure = await answer_to(client, altered["coffee-mirrored"], dataset="withholding")
    assert sure["label"] == "cup of coffee"


async def test_class_temperatures_are_fitted_where_they_are_asked_for(client: httpx.AsyncClient, items: Items) -> None:
    await put_dataset(client, "by-class", classes=NAMES)
    found = await calibrate(client, "by-class", items=items, temperatures="class", learn=False, branches=["full"])
    shown = await answer_of(client, "by-class", found["version"])
    assert len(shown["calibration"]["temperatures"]["full"]) in (1, len(NAMES))
    assert found["branches"] == ["full"]


async def test_too_few_pictures_are_refused_saying_how_many_are_needed(
    client: httpx.AsyncClient, items: Items, rivals: str
) -> None:
    for given in ([], items[:19], [{**item, "label": None} for item in items]):
        [error] = await refused(client, rivals, items=given)
        assert error["field"] == "items"
        assert "20 pictures" in error["detail"]
    alone = [{**item, "label": "cat"} for item in items]
    [error] = await refused(client, rivals, items=alone)
    assert "2 classes" in error["detail"]
    [error] = await refused(client, rivals, items=items, fusion="concat_fc")
    assert (error["field"], "pictures of every class" in error["detail"]) == ("fusion", True)
    assert len((await client.get(f"/datasets/{rivals}/versions")).json()["versions"]) == 1


ROW = base64.b64encode(np.eye(1, 512, dtype="<f4").tobytes()).decode()


@pytest.mark.parametrize(
    ("item", "field", "word"),
    [
        ({"label": "cow", "image": ""}, "items[1].label", "'cow' is none of the dataset's classes"),
        ({"label": "cat"}, "items[1]", "either image or embeddings"),
        ({"label": "cat", "image": ROW, "embeddings": {"full": ROW}}, "items[1]", "either image or embeddings"),
        ({"label": "cat", "image": "%"}, "items[1].image", "not base64"),
        ({"label": "cat", "image": ROW}, "items[1].image", ""),
        ({"label": "cat", "embeddings": {}}, "items[1].embeddings", "full"),
        ({"label": "cat", "embeddings": {"fg": ROW}}, "items[1].embeddings", "full"),
        ({"label": "cat", "embeddings": {"full": ROW, "middle": ROW}}, "items[1].embeddings", "'middle' is no view"),
        ({"label": "cat", "embeddings": {"full": "AAAA"}}, "items[1].embeddings.full", "float32"),
        ({"label": "cat", "embeddings": {"full": "%"}}, "items[1].embeddings.full", "float32"),
        ({"label": "cat", "embeddings": {"full": "AAAAAA=="}}, "items[1].embeddings.full", "512 finite numbers"),
        ({"label": "cat", "embeddings": {"full": [0.1, 0.2]}}, "items[1].embeddings.full", "512 finite numbers"),
        ({"label": "cat", "embeddings": {"full": [0.0] * 512}}, "items[1].embeddings.full", "not all of them 0"),
        ({"label": "cat", "embeddings": {"full": [10**400, *[0] * 511]}}, "items[1].embeddings.full", ""),
        ({"label": "cat", "embeddings": {"full": ROW}, "box_score": 2}, "items[1].box_score", "less than"),
        ({"label": "cat", "embeddings": {"full": ROW}, "score": 1}, "items[1].score", "not a known field"),
        ({"image": ROW}, "items[1].label", "required"),
        ({"label": 3, "image": ROW}, "items[1].label", "string"),
    ],
)
async def test_a_bad_item_is_named(
    client: httpx.AsyncClient, items: Items, rivals: str, item: dict[str, Any], field: str, word: str
) -> None:
    errors = await refused(client, rivals, items=[items[0], item, *items[2:]])
    assert errors[0]["field"].startswith(field)
    assert word in errors[0]["detail"]


async def test_numbers_that_are_none_are_refused(client: httpx.AsyncClient, items: Items, rivals: str) -> None:
    for bad in (np.nan, np.inf):
        row = np.full(512, 0.1, "<f4")
        row[3] = bad
        item = {"label": "cat", "embeddings": {"full": base64.b64encode(row.tobytes()).decode()}}
        [error] = await refused(client, rivals, items=[item, *items])
        assert error["field"] == "items[0].embeddings.full"


async def test_every_bad_item_is_named_at_once(client: httpx.AsyncClient, items: Items, rivals: str) -> None:
    bad = {"label": "cat", "embeddings": {"full": [1.0]}}
    errors = await refused(client, rivals, items=[bad, items[0], {"label": "cat", "image": "%"}, bad])
    assert [error["field"] for error in errors] == [
        "items[0].embeddings.full",
        "items[2].image",
        "items[3].embeddings.full",
    ]


@pytest.mark.parametrize(
    ("body", "field", "word"),
    [
        ({"branches": ["full", "middle"]}, "branches[1]", "'middle' is not known"),
        ({"branches": ["full", "full"]}, "branches[1]", "twice"),
        ({"branches": []}, "branches", "at least one"),
        ({"fusion": "mean"}, "fusion", "'mean' is not known"),
        ({"fusion": "concat_fc", "learn": False}, "fusion", "was not fitted"),
        ({"temperatures": "picture"}, "temperatures", "'picture' is not known"),
        ({"validation_share": 1}, "validation_share", "between 0 and 1"),
        ({"keep_right": 0}, "keep_right", "(0, 1]"),
        ({"abstain_by": "luck"}, "abstain_by", "'luck' is not known"),
        ({"seed": -1}, "seed", "0 or more"),
        ({"seeds": 1}, "seeds", "not a known field"),
        ({"items": 3}, "items", "list"),
    ],
)
async def test_a_bad_wish_is_refused(
    client: httpx.AsyncClient, items: Items, rivals: str, body: dict[str, Any], field: str, word: str
) -> None:
    [error] = await refused(client, rivals, **{"items": items, **body})
    assert error["field"] == field
    assert word in error["detail"]


async def test_an_unknown_dataset_is_not_found(client: httpx.AsyncClient) -> None:
    for name in ("nobody", "a%20b"):
        answer = await client.post(f"/datasets/{name}/calibration", json={"items": []})
        assert (answer.status_code, answer.json()["code"]) == (404, "dataset_not_found")


async def test_a_level_found_for_other_answers_is_not_kept(client: httpx.AsyncClient, items: Items) -> None:
    content = {"classes": NAMES, "abstain_below": 0.4, "abstain_by": "presence"}
    await put_dataset(client, "hesitant", **content)
    found = await calibrate(client, "hesitant", items=items, learn=False)
    shown = await answer_of(client, "hesitant", found["version"])
    assert (shown["abstain_below"], shown["abstain_by"]) == (None, "confidence")
    again = await calibrate(client, "hesitant", items=items, learn=False, abstain=True)
    shown = await answer_of(client, "hesitant", again["version"])
    assert (shown["abstain_below"], shown["abstain_by"]) == (again["abstain_below"], "presence")


async def test_a_box_s_score_does_not_count_where_no_branch_is_made_with_the_box(
    client: httpx.AsyncClient, items: Items
) -> None:
    await put_dataset(client, "boxless", classes=NAMES)
    options = {"branches": ["full"], "learn": False, "abstain": True}
    with_scores = await calibrate(client, "boxless", items=items, **options)
    without = [{**item, "box_score": None} for item in items]
    assert await calibrate(client, "boxless", items=without, **options) == with_scores


async def test_a_calibration_that_waits_for_another_keeps_nobody_else_waiting(
    client: httpx.AsyncClient, app: FastAPI, items: Items, altered: Mapping[str, bytes]
) -> None:
    await put_dataset(client, "patient", classes=NAMES)
    gate = threading.Event()
    other = app.state.service.parts.calibrating.submit(gate.wait, 60)
    waiting = asyncio.ensure_future(calibrate(client, "patient", items=items, learn=False))
    try:
        for _ in range(3):
            assert (await answer_to(client, altered["rocket-dark"], dataset="patient"))["label"] == "rocket"
        assert not waiting.done()
    finally:
        gate.set()
    assert (await waiting)["fusion"] == "max_confidence"
    assert other.result()


@pytest.mark.parametrize(
    ("found", "word"),
    [
        ({"temperatures": {"full": [1e-40]}}, "temperature"),
        ({"branches": ["full"], "class_weights": {"full": [3e38, 1.0]}}, "class weights"),
        ({"branches": ["full"], "network": {"weights": [[1e300, 0], [0, 1]], "bias": [0, 0]}}, "weights"),
    ],
)
async def test_numbers_that_would_overflow_when_answering_are_refused(
    client: httpx.AsyncClient, found: dict[str, Any], word: str
) -> None:
    content = {"classes": ["cat", "rocket"], "calibration": found}
    response = await client.put("/datasets/overflowing", json=content)
    [error] = response.json()["errors"]
    assert (response.status_code, error["field"].startswith("calibration"), word in error["detail"]) == (
        422,
        True,
        True,
    )
