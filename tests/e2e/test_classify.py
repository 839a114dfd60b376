"""Over HTTP, on real photographs, with real models."""

import base64
import io
import json
import re
from typing import Any

import httpx
import pytest
from altered import LABELS  # type: ignore[import-not-found]
from asking import answer_to, classify, refusal_of  # type: ignore[import-not-found]
from PIL import Image

from service.recognition.fusion import FUSIONS

pytestmark = pytest.mark.anyio

JPEG = {"content-type": "image/jpeg"}


@pytest.mark.parametrize("name", LABELS)
async def test_a_photograph_gets_its_label_a_box_and_what_every_branch_says(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes], name: str
) -> None:
    response = await classify(client, photographs[name] + b"not seen before", dataset=things, top_k=3)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["label"] == LABELS[name]
    assert (answer["fallback"], answer["cached"]) == (None, False)
    assert set(answer["branches"]) == {"full", "fg", "fg_mask"}  # what answers usually with this profile
    assert {branch["label"] for branch in answer["branches"].values()} == {LABELS[name]}
    assert answer["confidence"] == max(branch["confidence"] for branch in answer["branches"].values())
    assert answer["scores"] == answer["branches"][answer["branch"]]["scores"]
    assert len(answer["scores"]) == 3
    confidences = [score["confidence"] for score in answer["scores"]]
    assert confidences == sorted(confidences, reverse=True)
    box, image = answer["box"], answer["image"]
    assert 0 <= box["x0"] < box["x1"] <= image["width"]
    assert 0 <= box["y0"] < box["y1"] <= image["height"]
    assert 0 < box["score"] <= 1
    assert answer["models"] == {"localizer": "u2netp", "encoder": "embedded"}
    assert set(answer["timings_ms"]) == {"decode", "locate", "views", "embed", "score", "total"}
    assert answer["request_id"] == response.headers["x-request-id"]
    assert (answer["abstained"], answer["fusion"]) == (False, "max_confidence")
    told = re.fullmatch(r"(\w+) is surer: ([\d.]+) against ([\d.]+) of \w+", answer["reason"])
    assert told is not None
    branch, more, less = told.groups()
    assert branch == answer["branch"]
    assert more == f"{answer['confidence']:.{len(more) - 2}f}"
    assert len(more) == len(less) >= 6
    assert float(more) > float(less)
    assert 0 < answer["presence"] < 1
    unasked = ("metadata", "cascade", "objects", "candidates", "embeddings")
    assert [answer[name] for name in unasked] == [None] * 5


async def test_the_box_holds_the_rocket_and_not_the_sky(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes]
) -> None:
    box = (await classify(client, photographs["rocket"], dataset=things)).json()["box"]
    assert 290 < box["x0"] < 325
    assert 310 < box["x1"] < 350
    assert box["y1"] - box["y0"] > 200


async def test_all_three_forms_of_a_request_give_the_same_answer(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes]
) -> None:
    image = photographs["coffee"]
    text = base64.b64encode(image).decode()
    answers = [
        await classify(client, image, dataset=things),
        await client.post(
            "/classify", content=image, headers={"content-type": "image/jpeg"}, params={"dataset": things}
        ),
        await client.post("/classify", json={"image": text, "dataset": things}),
        await client.post("/classify", json={"image": f"data:image/jpeg;base64,{text}", "dataset": things}),
    ]
    bodies = [answer.json() for answer in answers]
    for body in bodies:
        for changing in ("request_id", "timings_ms", "cached"):
            body.pop(changing)
    assert [answer.status_code for answer in answers] == [200] * 4
    assert bodies[1:] == bodies[:1] * 3


async def test_the_full_branch_alone_is_asked_where_no_box_is_wanted(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes]
) -> None:
    answer = (await classify(client, photographs["chelsea"], dataset=things, branches="full")).json()
    assert (answer["fallback"], answer["branch"], answer["branches"]["fg"], answer["box"]) == (
        "disabled",
        "full",
        None,
        None,
    )


async def test_the_fg_branch_alone_can_answer(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes]
) -> None:
    answer = (await classify(client, photographs["chelsea"], dataset=things, branches="fg")).json()
    assert (answer["fallback"], answer["branch"], answer["branches"]["full"]) == (None, "fg", None)


async def test_a_box_below_the_threshold_is_shown_but_not_used(
    client: httpx.AsyncClient, photographs: dict[str, bytes]
) -> None:
    content = {"name": "strict", "classes": ["cat", "dog"], "box_threshold": 1.0}
    assert (await client.post("/datasets", json=content)).status_code == 201
    answer = (await classify(client, photographs["chelsea"], dataset="strict")).json()
    assert (answer["label"], answer["fallback"], answer["branch"]) == ("cat", "low_score", "full")
    assert answer["branches"]["fg"] is None
    assert answer["box"]["score"] < 1.0


async def test_an_even_ground_has_no_object(client: httpx.AsyncClient, things: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (90, 90, 90)).save(buffer, "PNG")
    answer = (await classify(client, buffer.getvalue(), dataset=things)).json()
    assert answer["fallback"] in ("no_detection", "low_score")
    assert answer["branch"] == "full"


async def test_the_average_fusion_lies_between_the_branches(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes]
) -> None:
    answer = await answer_to(client, photographs["rocket"], dataset=things, fusion="average", top_k=1)
    each = [branch["confidence"] for branch in answer["branches"].values()]
    assert answer["confidence"] == pytest.approx(sum(each) / 3, abs=1e-5)


async def test_a_batch_answers_for_each_picture_and_fails_for_each_alone(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes]
) -> None:
    files = [("images", (name, data)) for name, data in (("a", photographs["chelsea"]), ("b", b"no picture"))]
    files.append(("images", ("c", photographs["rocket"])))
    response = await client.post("/classify/batch", files=files, data={"dataset": things})
    assert response.status_code == 200
    results = response.json()["results"]
    assert [entry["index"] for entry in results] == [0, 1, 2]
    assert [results[place]["result"]["label"] for place in (0, 2)] == ["cat", "rocket"]
    assert results[1]["error"]["code"] == "image_unsupported"
    assert "result" not in results[1]


async def test_a_batch_travels_as_json_too(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes]
) -> None:
    text = base64.b64encode(photographs["coffee"]).decode()
    response = await client.post("/classify/batch", json={"images": [text, text], "dataset": things, "top_k": 1})
    assert [entry["result"]["label"] for entry in response.json()["results"]] == ["cup of coffee"] * 2


async def test_an_answer_does_not_depend_on_who_shares_the_batch(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes]
) -> None:
    files = [("images", (name, data)) for name, data in photographs.items()]
    together = (await client.post("/classify/batch", files=files, data={"dataset": things})).json()["results"]
    for entry, data in zip(together, photographs.values(), strict=True):
        alone = (await classify(client, data, dataset=things)).json()
        assert entry["result"]["scores"] == alone["scores"]
        assert entry["result"]["box"] == alone["box"]


BAD_FIELDS = [
    ({"top_k": "0"}, "top_k"),
    ({"top_k": "51"}, "top_k"),
    ({"top_k": "many"}, "top_k"),
    ({"fusion": "best"}, "fusion"),
    ({"branches": "full,middle"}, "branches[1]"),
    ({"branches": ""}, "branches"),
    ({"localizer_prompt": "  "}, "localizer_prompt"),
    ({"metadata": "[1]"}, "metadata"),
    ({"metadata": "{"}, "metadata"),
    ({"metadata": "[" * 100_000}, "metadata"),
    ({"topk": "3"}, "topk"),
    ({"dataset_version": "short"}, "dataset_version"),
    ({"metadata": json.dumps({str(number): 1 for number in range(51)})}, "metadata"),
    ({"embeddings": "perhaps"}, "embeddings"),
    ({"objects": "2.5"}, "objects"),
    ({"cascade": "0.5", "cascade_first": "fg", "branches": "full"}, "cascade_first"),
]


@pytest.mark.parametrize(("fields", "named"), BAD_FIELDS)
async def test_a_bad_field_is_named(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes], fields: dict[str, str], named: str
) -> None:
    response = await classify(client, photographs["chelsea"], dataset=things, **fields)
    problem = response.json()
    assert response.status_code == 422, problem
    assert response.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code", "request_id"} <= set(problem)
    assert problem["errors"][0]["field"] == named


async def test_allowed_values_are_listed(client: httpx.AsyncClient, things: str, photographs: dict[str, bytes]) -> None:
    error = await refusal_of(client, photographs["chelsea"], dataset=things, fusion="best")
    assert error["allowed"] == list(FUSIONS)


async def test_every_bad_field_is_named_at_once(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes]
) -> None:
    fields = {"top_k": "100", "fusion": "best", "branches": "full,middle"}
    problem = (await classify(client, photographs["chelsea"], dataset=things, **fields)).json()
    assert {error["field"] for error in problem["errors"]} == {"top_k", "fusion", "branches[1]"}


async def test_an_unknown_version_is_not_found_and_the_known_ones_are_named(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes]
) -> None:
    response = await classify(client, photographs["chelsea"], dataset=things, dataset_version="0" * 64)
    assert (response.status_code, response.json()["code"]) == (404, "dataset_version_not_found")
    version = (await client.get(f"/datasets/{things}")).json()["version"]
    assert version[:12] in response.json()["detail"]


@pytest.mark.parametrize(
    ("request_parts", "status", "code"),
    [
        ({"files": {"image": ("a", b"")}, "data": {"dataset": "things"}}, 422, "image_unreadable"),
        ({"files": {"image": ("a", b"%PDF-1.7 nothing")}, "data": {"dataset": "things"}}, 415, "image_unsupported"),
        ({"files": {"image": ("a", b"x")}, "data": {"dataset": "unknown"}}, 404, "dataset_not_found"),
        ({"files": {"image": ("a", b"x")}}, 422, "invalid_fields"),
        ({"files": {"picture": ("a", b"x")}, "data": {"dataset": "things"}}, 422, "invalid_fields"),
        ({"data": {"dataset": "things"}}, 415, "unsupported_media_type"),
        ({"json": {"dataset": "things"}}, 422, "invalid_fields"),
        ({"json": {"dataset": "things", "image": "***"}}, 422, "invalid_fields"),
        ({"json": {"dataset": "things", "image": 3}}, 422, "invalid_fields"),
        ({"json": ["things"]}, 400, "malformed_request"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "malformed_request"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "malformed_request"),
        ({"content": b"x" * (4 * 2**20 + 1), "headers": {"content-type": "image/png"}, "params": {"dataset": "things"}},
         413, "image_too_large"),
        ({"content": b"x" * (8 * 2**20 + 1), "headers": {"content-type": "image/png"}, "params": {"dataset": "things"}},
         413, "body_too_large"),
    ],
)  # fmt: skip
async def test_a_bad_request_gets_a_problem_document(
    client: httpx.AsyncClient, things: str, request_parts: dict[str, Any], status: int, code: str
) -> None:
    response = await client.post("/classify", **request_parts)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (status, code), problem
    assert problem["status"] == status
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["request_id"] == response.headers["x-request-id"]


async def test_a_streamed_body_without_a_length_is_cut_at_the_limit(client: httpx.AsyncClient, things: str) -> None:
    sent = 0

    async def chunks() -> Any:
        nonlocal sent
        while True:
            sent += 2**20
            yield bytes(2**20)

    response = await client.post(
        "/classify", content=chunks(), headers={"content-type": "image/png"}, params={"dataset": things}
    )
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert sent <= 10 * 2**20


async def test_a_picture_of_too_many_pixels_is_refused(client: httpx.AsyncClient, things: str) -> None:
    buffer = io.BytesIO()
    Image.new("1", (3000, 3000)).save(buffer, "PNG")
    problem = (await classify(client, buffer.getvalue(), dataset=things)).json()
    assert problem["code"] == "image_too_large"
    assert "4000000" in problem["detail"].replace(",", "").replace("_", "")


async def test_a_caller_s_request_id_is_kept_if_it_is_harmless(client: httpx.AsyncClient) -> None:
    kept = await client.get("/livez", headers={"x-request-id": "abc-123"})
    replaced = await client.get("/livez", headers={"x-request-id": "abc 123{}"})
    assert kept.headers["x-request-id"] == "abc-123"
    assert replaced.headers["x-request-id"] != "abc 123{}"


async def test_unknown_addresses_and_methods_get_problem_documents(client: httpx.AsyncClient) -> None:
    missing, wrong = await client.get("/nothing"), await client.get("/classify")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")


async def test_metadata_is_accepted_as_an_object_or_its_json(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes]
) -> None:
    image = photographs["chelsea"]
    facts = {"habitat": "sofa"}
    as_form = await classify(client, image, dataset=things, metadata=json.dumps(facts))
    as_json = await client.post(
        "/classify", json={"image": base64.b64encode(image).decode(), "dataset": things, "metadata": facts}
    )
    assert as_form.status_code == as_json.status_code == 200
