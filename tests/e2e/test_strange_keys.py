"""Keys of JSON objects that UTF-8 or a database cannot hold are refused, and named in what UTF-8 can hold."""

import json
from typing import Any

import httpx
import pytest
from asking import encoded  # type: ignore[import-not-found]

pytestmark = pytest.mark.anyio
LONE, NUL = "\ud800", "a\x00b"
HEADERS = {"content-type": "application/json"}


async def sent(client: httpx.AsyncClient, method: str, path: str, document: dict[str, Any]) -> dict[str, Any]:
    """The problem document; JSON can name lone surrogates, which httpx's own encoding cannot."""
    answer = await client.request(method, path, content=json.dumps(document), headers=HEADERS)
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_fields"), problem
    return problem


@pytest.mark.parametrize("key", [LONE, NUL])
async def test_metadata_with_a_key_that_cannot_be_sent_back_are_refused_in_every_form(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes], key: str
) -> None:
    image, facts = photographs["chelsea"], {key: "x"}
    form = {"dataset": things, "metadata": json.dumps(facts)}
    body = {"dataset": things, "metadata": facts}
    problems = [
        await sent(client, "POST", "/classify", {**body, "image": encoded(image)}),
        await sent(client, "POST", "/classify/batch", {**body, "images": [encoded(image)]}),
        (await client.post("/classify", files={"image": image}, data=form)).json(),
        (await client.post("/classify/batch", files=[("images", ("a", image))], data=form)).json(),
        (await client.post("/classify", content=image, params=form, headers={"content-type": "image/jpeg"})).json(),
    ]
    for problem in problems:
        assert [(error["field"], repr(key) in error["detail"]) for error in problem["errors"]] == [("metadata", True)]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"priors": {LONE: {"counts": {"x": {"cat": 1}}}}}, r"priors.\ud800"),
        ({"priors": {LONE: {"counts": {"x": {"cat": -1}}}}}, "priors.\ufffd\ufffd\ufffd.counts.x.cat"),
        ({"priors": {NUL: {"counts": {"x": {"cat": 1}}}}}, f"priors.{NUL}"),
        ({"priors": {"place": {"counts": {LONE: {"cat": 1}}}}}, r"priors.place.\ud800"),
        ({"priors": {"place": {"probabilities": {NUL: {"cat": 1}}}}}, f"priors.place.{NUL}"),
        ({"priors": {"place": {"counts": {"x": {LONE: 1}}}}}, "priors.place.x"),
        ({"priors": {"place": {LONE: 1}}}, "priors.place"),
        ({"class_prior": {LONE: 1.0}}, "class_prior"),
        ({"calibration": {"temperatures": {LONE: [2.0]}}}, "calibration.temperatures"),
        ({"calibration": {"branches": [LONE], "temperatures": {LONE: [2.0]}}}, "calibration.branches[0]"),
        ({"calibration": {"weights": {LONE: 1.0}}}, "calibration.weights"),
        ({"calibration": {"branches": [LONE], "class_weights": {LONE: [1.0, 1.0]}}}, "calibration.branches[0]"),
        ({"calibration": {LONE: 1}}, "calibration"),
        ({"classes": ["cat", {"name": "dog", LONE: 1}]}, "classes[1]"),
        ({LONE: 1}, "body"),
    ],
)
async def test_a_dataset_with_such_a_key_is_refused(
    client: httpx.AsyncClient, content: dict[str, Any], field: str
) -> None:
    document = {"classes": ["cat", "dog"], **content}
    for method, path in (("PUT", "/datasets/strange"), ("POST", "/datasets")):
        name = {"name": "strange"} if method == "POST" else {}
        problem = await sent(client, method, path, document | name)
        assert problem["errors"][0]["field"] == field
    assert (await client.get("/datasets/strange")).status_code == 404


async def test_embeddings_of_such_a_view_are_refused(client: httpx.AsyncClient, things: str) -> None:
    items = [{"label": "cat", "embeddings": {"full": [1.0], LONE: [1.0]}}]
    problem = await sent(client, "POST", f"/datasets/{things}/calibration", {"items": items})
    assert problem["errors"][0]["field"] == "items[0].embeddings"
    problem = await sent(client, "POST", f"/datasets/{things}/calibration", {"items": [{"embeddings": {LONE: 3}}]})
    assert problem["errors"][0]["field"] == "items[0].label"
