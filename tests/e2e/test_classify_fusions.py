"""Every fusion over HTTP, against the branches of its own answer."""

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import numpy as np
import pytest
from asking import (  # type: ignore[import-not-found]
    alike,
    answer_to,
    put_dataset,
    refusal_of,
    scores_of,
    softmax,
    unchanging,
)
from numpy.typing import NDArray

from service.recognition.fusion import FUSIONS

pytestmark = pytest.mark.anyio
LABELS = ["cat", "fox", "cup of coffee", "bowl of soup", "rocket", "tower", "astronaut", "pilot"]
FITTED = sorted(name for name, fusion in FUSIONS.items() if fusion.needs)
PICTURES = ("rocket-dark", "astronaut-soft")  # the crop is sure in the one and not in the other
Rows = Mapping[str, NDArray[np.float64]]


def surest(rows: Rows, weights: Mapping[str, float] | None = None) -> NDArray[np.float64]:
    return rows[max(rows, key=lambda view: rows[view].max() * (weights or {}).get(view, 1.0))]


def crop_above_half(rows: Rows, otherwise: Callable[[Rows], NDArray[np.float64]]) -> NDArray[np.float64]:
    return rows["fg"] if rows["fg"].max() > 0.5 else otherwise(rows)


def mean_logits(rows: Rows) -> NDArray[np.float64]:
    return softmax(np.log(np.stack(list(rows.values()))).mean(axis=0))


EXPECTED: Mapping[str, Callable[[Rows, float], NDArray[np.float64]]] = {
    "max_confidence": lambda rows, _box: surest(rows),
    "max_scaled_confidence": lambda rows, _box: surest(rows),  # nothing is fitted
    "objectness_max_confidence": lambda rows, box: surest(rows, {"fg": box, "fg_mask": box}),
    "threshold": lambda rows, _box: crop_above_half(rows, surest),
    "robust": lambda rows, _box: crop_above_half(
        rows, lambda rows: surest({view: row for view, row in rows.items() if view != "fg"})
    ),
    "average": lambda rows, _box: np.mean(list(rows.values()), axis=0),
    "scaled_average": lambda rows, _box: mean_logits(rows),
    "scaled_weighted_average": lambda rows, _box: mean_logits(rows),
}


def test_every_fusion_is_tried() -> None:
    assert {*EXPECTED, *FITTED} == set(FUSIONS)


@pytest.mark.parametrize("fusion", EXPECTED)
async def test_a_fusion_is_made_of_the_branches_that_are_shown(
    client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes], fusion: str
) -> None:
    files = [("images", (name, altered[name])) for name in PICTURES]
    fields = {"dataset": rivals, "fusion": fusion, "top_k": str(len(LABELS))}
    results = (await client.post("/classify/batch", files=files, data=fields)).json()["results"]
    for entry in results:
        answer = entry["result"]
        assert answer["fusion"] == fusion
        assert set(answer["branches"]) == {"full", "fg", "fg_mask"}
        rows = {view: scores_of(branch, LABELS) for view, branch in answer["branches"].items()}
        expected = EXPECTED[fusion](rows, answer["box"]["score"])
        assert scores_of(answer, LABELS) == pytest.approx(expected, abs=2e-5)
        assert answer["label"] == LABELS[int(expected.argmax())]
        assert answer["confidence"] == answer["scores"][0]["confidence"]
        assert answer["branch"] in answer["reason"]


@pytest.mark.parametrize("fusion", FITTED)
async def test_a_fusion_that_was_not_fitted_is_refused_with_those_that_may_be_used(
    client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes], fusion: str
) -> None:
    error = await refusal_of(client, altered["rocket-dark"], dataset=rivals, fusion=fusion)
    assert (error["field"], error["allowed"]) == ("fusion", list(EXPECTED))
    assert "fitted to full, fg, fg_mask" in error["detail"]
    refused = await client.post("/datasets", json={"name": "unfitted", "classes": ["a", "b"], "fusion": fusion})
    [problem] = refused.json()["errors"]
    assert (refused.status_code, problem["field"], problem["allowed"]) == (422, "fusion", list(EXPECTED))


async def test_an_unknown_fusion_is_refused_with_all_that_are_known(
    client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes]
) -> None:
    error = await refusal_of(client, altered["rocket-dark"], dataset=rivals, fusion="mean")
    assert (error["field"], error["allowed"]) == ("fusion", list(FUSIONS))


@pytest.mark.parametrize("fusion", ["concat_fc", "average"])
async def test_a_branch_alone_is_itself_in_every_fusion(
    client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes], fusion: str
) -> None:
    answer = await answer_to(client, altered["rocket-dark"], dataset=rivals, fusion=fusion, branches="fg")
    assert answer["scores"] == answer["branches"]["fg"]["scores"]
    assert "alone" in answer["reason"]


async def test_where_nothing_is_found_every_fusion_is_the_full_picture_s_answer(
    client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes]
) -> None:
    answers = [
        await answer_to(client, altered["rocket-soft"], dataset=rivals, fusion=fusion)
        for fusion in ("max_confidence", "robust", "scaled_average")
    ]
    for answer in answers:
        assert (answer["fallback"], answer["branch"]) == ("low_score", "full")
        assert alike(unchanging(answer, "fusion"), unchanging(answers[0], "fusion"))


async def test_a_dataset_answers_with_its_own_fusion_and_branches(
    client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes]
) -> None:
    own = {"fusion": "robust", "branches": ["full", "fg_margin"]}
    shown = await put_dataset(client, "own-way", classes=LABELS, **own)
    assert {name: shown[name] for name in own} == own
    image = altered["rocket-dark"]
    answer = await answer_to(client, image, dataset="own-way")
    asked: dict[str, Any] = await answer_to(client, image, dataset=rivals, **own)
    assert unchanging(answer, "dataset", "dataset_version") == unchanging(asked, "dataset", "dataset_version")
    assert (answer["fusion"], set(answer["branches"])) == ("robust", {"full", "fg", "fg_margin"})
    assert (await answer_to(client, image, dataset="own-way", fusion="average"))["fusion"] == "average"
