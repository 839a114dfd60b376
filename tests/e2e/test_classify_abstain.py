"""Answers that are withheld, over HTTP."""

from typing import Any

import httpx
import numpy as np
import pytest
from asking import answer_to, put_dataset, refusal_of, unchanging, vectors_of  # type: ignore[import-not-found]
from fastapi import FastAPI

from service.recognition.abstention import ABSTAIN_BY

pytestmark = pytest.mark.anyio
PICTURE = "rocket-dark"
CHANGED = ("label", "abstained")


@pytest.fixture(scope="session")
async def given(client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes]) -> dict[str, Any]:
    """The answer where nothing is withheld."""
    found: dict[str, Any] = await answer_to(client, altered[PICTURE], dataset=rivals, embeddings=True)
    assert (found["abstained"], found["label"]) == (False, found["scores"][0]["label"])
    return found


@pytest.mark.parametrize("by", ABSTAIN_BY)
async def test_below_the_level_the_label_is_withheld_and_nothing_else(
    client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes], given: dict[str, Any], by: str
) -> None:
    fields = {"dataset": rivals, "embeddings": True, "abstain_by": by}
    withheld = await answer_to(client, altered[PICTURE], abstain_below=given[by] + 0.001, **fields)
    answered = await answer_to(client, altered[PICTURE], abstain_below=given[by] - 0.001, **fields)
    assert (withheld["abstained"], withheld["label"]) == (True, None)
    assert unchanging(withheld, *CHANGED) == unchanging(given, *CHANGED)
    assert unchanging(answered) == unchanging(given)


async def test_presence_is_the_views_mean_cosine_with_the_label_times_the_box_s_score(
    app: FastAPI, rivals: str, given: dict[str, Any]
) -> None:
    dataset = app.state.service.parts.registry.lookup(rivals)
    prototype = dataset.prototypes[dataset.labels.index(given["label"])]
    cosines = [float(vector @ prototype) for vector in vectors_of(given).values()]
    assert len(cosines) == 3
    assert given["presence"] == pytest.approx(np.mean(cosines) * given["box"]["score"], abs=1e-5)


async def test_without_a_box_presence_is_the_full_picture_s(
    client: httpx.AsyncClient, app: FastAPI, rivals: str, altered: dict[str, bytes]
) -> None:
    answer = await answer_to(client, altered[PICTURE], dataset=rivals, branches="full", embeddings=True)
    dataset = app.state.service.parts.registry.lookup(rivals)
    prototype = dataset.prototypes[dataset.labels.index(answer["label"])]
    assert answer["presence"] == pytest.approx(float(vectors_of(answer)["full"] @ prototype), abs=1e-5)


async def test_a_dataset_s_own_level_holds_where_the_request_has_none(
    client: httpx.AsyncClient, altered: dict[str, bytes]
) -> None:
    own = {"abstain_below": 0.9, "abstain_by": "presence"}
    shown = await put_dataset(client, "cautious", classes=["rocket", "tower"], branches=["full"], **own)
    assert {name: shown[name] for name in own} == own
    image = altered[PICTURE]
    assert (await answer_to(client, image, dataset="cautious"))["abstained"]
    assert (await answer_to(client, image, dataset="cautious", abstain_below=0))["label"] == "rocket"
    assert (await answer_to(client, image, dataset="cautious", abstain_by="confidence", abstain_below=0.5))["label"]


async def test_a_picture_of_a_batch_is_withheld_by_itself(
    client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes]
) -> None:
    files = [("images", (name, altered[name])) for name in ("chelsea-mirrored", PICTURE)]
    fields = {"dataset": rivals, "abstain_below": "0.9", "branches": "full"}
    results = (await client.post("/classify/batch", files=files, data=fields)).json()["results"]
    assert [entry["result"]["label"] for entry in results] == ["cat", None]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"abstain_below": "1.01"}, "abstain_below"),
        ({"abstain_below": "often"}, "abstain_below"),
        ({"abstain_by": "luck"}, "abstain_by"),
    ],
)
async def test_bad_levels_are_refused(
    client: httpx.AsyncClient, rivals: str, altered: dict[str, bytes], fields: dict[str, str], named: str
) -> None:
    assert (await refusal_of(client, altered[PICTURE], dataset=rivals, **fields))["field"] == named
    refused = await client.post("/datasets", json={"name": "bad-level", "classes": ["a"], **fields})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, named)
