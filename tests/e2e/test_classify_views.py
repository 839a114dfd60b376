"""Every view over HTTP, and the options that change how views are made."""

from typing import Any

import httpx
import numpy as np
import pytest
from asking import (  # type: ignore[import-not-found]
    alike,
    answer_to,
    classify,
    encoded,
    put_dataset,
    refusal_of,
    scores_of,
    softmax,
    unchanging,
    vectors_of,
)

from service.recognition.views import VIEWS

pytestmark = pytest.mark.anyio
ALL = ",".join(VIEWS)


@pytest.fixture(scope="session")
async def every_view(client: httpx.AsyncClient, things: str, photographs: dict[str, bytes]) -> dict[str, Any]:
    """A photograph in all views, with their embeddings."""
    return await answer_to(client, photographs["rocket"], dataset=things, branches=ALL, embeddings=True)


async def test_every_view_answers_for_itself(every_view: dict[str, Any]) -> None:
    assert set(every_view["branches"]) == set(every_view["embeddings"]) == set(VIEWS)
    vectors = vectors_of(every_view)
    assert len({vector.tobytes() for vector in vectors.values()}) == len(VIEWS)
    for vector in vectors.values():
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    sure = {view: branch["confidence"] for view, branch in every_view["branches"].items()}
    assert every_view["branch"] == max(sure, key=lambda view: sure[view])
    assert every_view["scores"] == every_view["branches"][every_view["branch"]]["scores"]


async def test_all_forms_of_a_request_name_views_alike(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes], every_view: dict[str, Any]
) -> None:
    image = photographs["rocket"]
    as_json = {"image": encoded(image), "dataset": things, "branches": list(VIEWS), "embeddings": True}
    query = {"dataset": things, "branches": ALL, "embeddings": "1"}
    answers = [
        await client.post("/classify", json=as_json),
        await client.post("/classify", content=image, headers={"content-type": "image/jpeg"}, params=query),
    ]
    assert [unchanging(answer.json()) for answer in answers] == [unchanging(every_view)] * 2


@pytest.mark.parametrize("view", VIEWS)
async def test_a_view_alone_says_what_it_says_among_others(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes], every_view: dict[str, Any], view: str
) -> None:
    answer = await answer_to(client, photographs["rocket"], dataset=things, branches=view)
    shown = {name for name, branch in answer["branches"].items() if branch}
    assert (set(answer["branches"]), shown) == ({"full", "fg", view}, {view})
    assert alike(answer["branches"][view], every_view["branches"][view])
    assert (answer["branch"], answer["scores"]) == (view, answer["branches"][view]["scores"])
    assert (answer["box"] is None) == (not VIEWS[view].needs_box)
    assert answer["fallback"] == (None if VIEWS[view].needs_box else "disabled")


async def test_repeated_form_fields_name_views_in_any_order(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes], every_view: dict[str, Any]
) -> None:
    image = photographs["rocket"]
    answer = await answer_to(client, image, dataset=things, branches=["center_crop", "fg_margin", "full"])
    assert list(answer["branches"]) == ["full", "fg", "fg_margin", "center_crop"]
    assert alike(answer["branches"]["fg_margin"], every_view["branches"]["fg_margin"])


@pytest.mark.parametrize("given", ["middle", "full,middle", "FULL", "full fg", "full\0"])
async def test_an_unknown_view_is_refused_with_all_that_are_known(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes], given: str
) -> None:
    image = photographs["rocket"]
    responses = [
        await classify(client, image, dataset=things, branches=given),
        await client.post("/classify", content=image, headers={"content-type": "image/jpeg"},
                          params={"dataset": things, "branches": given}),
        await client.post("/classify", json={"image": encoded(image), "dataset": things, "branches": given.split(",")}),
    ]  # fmt: skip
    for response in responses:
        [error] = response.json()["errors"]
        assert response.status_code == 422
        assert error["field"] == f"branches[{len(given.split(',')) - 1}]"
        assert error["allowed"] == list(VIEWS)


@pytest.mark.parametrize(("given", "word"), [("full,full", "twice"), ([], "at least one"), (" , ", "at least one")])
async def test_views_are_named_once_each_and_one_at_least(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes], given: Any, word: str
) -> None:
    body = {"image": encoded(photographs["rocket"]), "dataset": things, "branches": given}
    [error] = (await client.post("/classify", json=body)).json()["errors"]
    assert word in error["detail"]


@pytest.mark.parametrize(
    ("option", "changed"),
    [
        ({"pad_colour": "#ff0000"}, {"fg", "fg_mask", "fg_margin", "bg_shape", "bg_box", "full_colour"}),
        ({"box_margin": 0.3, "branches": "full,fg,fg_mask,fg_margin,bg_box"}, {"fg", "fg_mask"}),
        ({"wide_margin": 0.6, "branches": "fg,fg_margin"}, {"fg_margin"}),
        ({"blur": 0.2, "branches": "fg,full_blur"}, {"full_blur"}),
    ],
)
async def test_an_option_changes_the_views_that_it_is_for_and_no_other(
    client: httpx.AsyncClient,
    things: str,
    photographs: dict[str, bytes],
    every_view: dict[str, Any],
    option: dict[str, Any],
    changed: set[str],
) -> None:
    fields = {"dataset": things, "branches": ALL, "embeddings": True, **option}
    answer = await answer_to(client, photographs["rocket"], **fields)
    assert set(answer["embeddings"]) == set(fields["branches"].split(","))
    assert changed == {view for view, text in answer["embeddings"].items() if text != every_view["embeddings"][view]}
    assert answer["box"] == every_view["box"]


async def test_a_dataset_s_own_style_is_used_where_the_request_has_none(
    client: httpx.AsyncClient, photographs: dict[str, bytes]
) -> None:
    style = {"pad_colour": "white", "box_margin": 0.1, "wide_margin": 0.5}
    views = ["fg_margin", "fg"]
    await put_dataset(client, "styled", classes=["cat", "rocket"], branches=views, **style)
    await put_dataset(client, "unstyled", classes=["cat", "rocket"])
    image = photographs["rocket"]
    styled = await answer_to(client, image, dataset="styled", embeddings=True)
    asked = await answer_to(client, image, dataset="unstyled", branches=views, embeddings=True, **style)
    plain = await answer_to(client, image, dataset="styled", embeddings=True, pad_colour="mean", wide_margin=0.25)
    assert unchanging(styled, "dataset", "dataset_version") == unchanging(asked, "dataset", "dataset_version")
    assert set(styled["embeddings"]) == set(views)
    assert not {*plain["embeddings"].values()} & {*styled["embeddings"].values()}


async def test_a_threshold_of_the_request_decides_whether_the_box_is_used(
    client: httpx.AsyncClient, photographs: dict[str, bytes]
) -> None:
    await put_dataset(client, "strict-boxes", classes=["cat", "rocket"], box_threshold=1.0)
    image = photographs["rocket"]
    strict = await answer_to(client, image, dataset="strict-boxes")
    mild = await answer_to(client, image, dataset="strict-boxes", box_threshold=0)
    assert (strict["fallback"], strict["branches"]["fg"]) == ("low_score", None)
    assert set(strict["branches"]) == {"full", "fg", "fg_mask"}
    assert mild["fallback"] is None
    assert mild["box"] == strict["box"]
    assert alike(mild["branches"]["full"], strict["branches"]["full"])


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"pad_colour": "pinkish"}, "pad_colour"),
        ({"pad_colour": "#12345"}, "pad_colour"),
        ({"box_threshold": "2"}, "box_threshold"),
        ({"box_margin": "-0.1"}, "box_margin"),
        ({"wide_margin": "1.1"}, "wide_margin"),
        ({"blur": "nan"}, "blur"),
    ],
)
async def test_a_style_out_of_its_bounds_is_refused(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes], fields: dict[str, str], named: str
) -> None:
    assert (await refusal_of(client, photographs["rocket"], dataset=things, **fields))["field"] == named


async def test_embeddings_are_given_only_where_they_are_asked_for(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes], every_view: dict[str, Any], app: Any
) -> None:
    """And they are what the answer was made of: their cosines with the class prototypes, scaled, are its logits."""
    plain = await answer_to(client, photographs["rocket"], dataset=things, branches="full", embeddings=False, top_k=8)
    assert plain["embeddings"] is None
    parts = app.state.service.parts
    dataset = parts.registry.lookup(things)
    logits = parts.recognizer.encoder.logit_scale * (dataset.prototypes @ vectors_of(every_view)["full"])
    assert scores_of(plain, dataset.labels) == pytest.approx(softmax(logits), abs=1e-5)
