"""Objects looked for by the full picture's best labels (L2R2, C.1), over HTTP."""

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
    vectors_of,
)
from fastapi import FastAPI

pytestmark = pytest.mark.anyio
PICTURE = "rocket-dark"


@pytest.fixture(scope="session")
async def plain(client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes]) -> dict[str, Any]:
    """The same without candidates: the localizer here reads no prompts, so that its box is every candidate's."""
    found: dict[str, Any] = await answer_to(client, altered[PICTURE], dataset=rivals, top_k=8, embeddings=True)
    return found


@pytest.mark.parametrize("fusion", ["max", "average"])
async def test_the_surest_of_the_candidates_answers(
    client: httpx.AsyncClient,
    app: FastAPI,
    rivals: str,
    altered: dict[str, bytes],
    plain: dict[str, Any],
    fusion: str,
) -> None:
    fields = {"candidates": 3, "candidate_fusion": fusion, "top_k": 8}
    answer = await answer_to(client, altered[PICTURE], dataset=rivals, **fields)
    parts = app.state.service.parts
    dataset, scale = parts.registry.lookup(rivals), parts.recognizer.encoder.logit_scale
    logits = {view: scale * (dataset.prototypes @ vector) for view, vector in vectors_of(plain).items()}
    places = np.argsort(-logits["full"])[:3]
    combine = np.max if fusion == "max" else np.mean
    combined = combine([row[places] for row in logits.values()], axis=0)

    assert [entry["label"] for entry in answer["candidates"]] == [dataset.labels[place] for place in places]
    for number, entry in enumerate(answer["candidates"]):
        assert entry["box"] == plain["box"]
        assert set(entry["logits"]) == {"full", "fg", "fg_mask"}
        for view, row in logits.items():
            assert entry["logits"][view] == pytest.approx(row[places[number]], abs=1e-3)
        assert entry["combined"] == pytest.approx(combined[number], abs=1e-3)
    assert answer["label"] == dataset.labels[places[combined.argmax()]]
    expected = np.zeros(8)
    expected[places] = softmax(combined)
    assert scores_of(answer, list(dataset.labels)) == pytest.approx(expected, abs=1e-4)
    assert (answer["fallback"], answer["box"]) == (None, plain["box"])
    assert fusion in answer["reason"]


async def test_candidates_are_not_given_unasked(plain: dict[str, Any]) -> None:
    assert plain["candidates"] is None


async def test_there_are_no_more_candidates_than_classes(client: httpx.AsyncClient, altered: dict[str, bytes]) -> None:
    await put_dataset(client, "two", classes=["rocket", "tower"])
    answer = await answer_to(client, altered[PICTURE], dataset="two", candidates=20, branches=["full", "fg"])
    assert {entry["label"] for entry in answer["candidates"]} == {"rocket", "tower"}


async def test_where_nothing_is_found_the_full_picture_stands_in(
    client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes]
) -> None:
    fields = {"dataset": rivals, "branches": ["full", "fg"], "box_threshold": 1}
    answer = await answer_to(client, altered[PICTURE], candidates=8, **fields)
    plain = await answer_to(client, altered[PICTURE], **fields)
    assert [entry["box"] for entry in answer["candidates"]] == [None] * 8
    assert answer["fallback"] == plain["fallback"] == "low_score"
    assert alike(answer["scores"], plain["scores"])


async def test_a_picture_of_a_batch_has_its_own_candidates(
    client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes]
) -> None:
    files = [("images", (name, altered[name])) for name in ("rocket-dark", "chelsea-left")]
    fields = {"dataset": rivals, "candidates": "1", "branches": "full,fg"}
    results = (await client.post("/classify/batch", files=files, data=fields)).json()["results"]
    assert [entry["result"]["label"] for entry in results] == ["rocket", "cat"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"candidates": "21"}, "candidates"),
        ({"candidates": "-1"}, "candidates"),
        ({"candidates": "2", "branches": "fg"}, "candidates"),
        ({"candidates": "2", "branches": "full"}, "candidates"),
        ({"candidates": "2", "cascade": "0.9"}, "cascade"),
        ({"candidates": "2", "candidate_fusion": "median"}, "candidate_fusion"),
        ({"candidate_fusion": ""}, "candidate_fusion"),
    ],
)
async def test_wishes_that_cannot_be_met_are_refused(
    client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes], fields: dict[str, str], named: str
) -> None:
    assert (await refusal_of(client, altered[PICTURE], dataset=rivals, **fields))["field"] == named
