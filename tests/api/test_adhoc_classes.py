"""Classes that come with a request, over HTTP, in every form."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from light_models import COLOURS, light_parts, picture_of  # type: ignore[import-not-found]

from service.api.bodies import MOST_REPEATED
from service.api.schemas import BatchOut, HealthDetail, RecognitionOut
from service.app import create_app
from service.datasets.fingerprints import version_of
from service.datasets.spec import ClassEntry, DatasetSpec
from service.settings import load_settings

pytestmark = pytest.mark.anyio
RED = picture_of(COLOURS["red"])
TEXT = base64.b64encode(RED).decode()
VERSION = version_of(DatasetSpec((ClassEntry("red"), ClassEntry("blue"))))
PROMPTED = [{"name": "sunset", "prompts": ["a red sky", "a red sun"]}, "blue"]
MOST = 60


@pytest.fixture(scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FastAPI]:
    settings = load_settings(
        data_dir=tmp_path_factory.mktemp("data"), max_adhoc_classes=MOST, background_build_texts=100, max_batch_images=4
    )
    service = create_app(settings, load=light_parts)
    async with service.router.lifespan_context(service):
        await service.state.service.loaded.wait()
        assert service.state.service.failure is None
        yield service


@pytest.fixture(scope="module")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service", timeout=60) as opened:
        yield opened


async def in_form(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await client.post("/classify", files={"image": ("a.png", RED, "image/png")}, data=fields)


async def in_query(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await client.post("/classify", content=RED, params=fields, headers={"content-type": "image/png"})


async def in_json(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await client.post("/classify", json={"image": TEXT, **fields})


def answered(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    assert RecognitionOut.model_validate(document).model_dump(mode="json") == document
    return document


def refused(response: httpx.Response, status: int = 422) -> dict[str, str]:
    """What is said of each bad field."""
    problem = response.json()
    assert response.status_code == status, problem
    return {error["field"]: error["detail"] for error in problem["errors"]}


@pytest.mark.parametrize("ask", [in_form, in_query])
@pytest.mark.parametrize(
    "classes",
    [
        "red,blue",
        " red , blue,",
        '["red", "blue"]',
        ' [{"name": "red"}, "blue"]',
        ["red", "blue"],
        ["red", ' {"name": "blue", "prompts": []}'],
        ['{"name": "red"}', '{"name": "blue"}'],
    ],
)
async def test_a_list_in_a_form_or_a_query(client: httpx.AsyncClient, ask: Any, classes: Any) -> None:
    answer = answered(await ask(client, classes=classes))
    assert (answer["label"], answer["dataset"], answer["dataset_version"]) == ("red", None, VERSION)


@pytest.mark.parametrize("ask", [in_form, in_query])
async def test_an_object_in_a_form_or_a_query_is_checked_as_one(client: httpx.AsyncClient, ask: Any) -> None:
    """It is not taken for a name."""
    nothing = {"classes": "begins with { and is no JSON object"}
    for text in ("{red}", '{"name": "red"},{"name": "blue"}', "{" * 5_000):
        assert refused(await ask(client, classes=text)) == nothing
        assert refused(await ask(client, classes=["blue", text])) == nothing
    for texts in (["red", '{"prompts": ["red"]}'], ["red", "{}"]):
        assert set(refused(await ask(client, classes=texts))) == {"classes[1].name"}
    assert answered(await ask(client, classes='["{red}", "{blue}"]'))["label"].startswith("{")


async def test_objects_in_a_form_are_bounded_together(client: httpx.AsyncClient) -> None:
    many = '{"name": "red", "prompts": [' + '"a",' * 6000 + '"a"]}'
    for texts in (["blue", many, many], ["blue", "{" * 10_001]):
        assert refused(await in_form(client, classes=texts)) == {"classes": "objects hold more than 10000 parts"}


@pytest.mark.parametrize("classes", [["red", "blue"], [{"name": "red"}, {"name": "blue", "prompts": []}], "red,blue"])
async def test_a_list_in_json(client: httpx.AsyncClient, classes: Any) -> None:
    answer = answered(await in_json(client, classes=classes, dataset=None, templates=None))
    assert (answer["label"], answer["dataset"], answer["dataset_version"]) == ("red", None, VERSION)


async def test_a_name_may_hold_a_comma_where_it_stands_in_a_list(client: httpx.AsyncClient) -> None:
    for answer in (
        await in_json(client, classes=["red, or so"]),
        await in_form(client, classes='["red, or so"]'),
        await in_form(client, classes=["red, or so", "blue"]),
    ):
        assert answered(answer)["label"] == "red, or so"


async def test_prompts_of_a_class_are_what_is_embedded(client: httpx.AsyncClient) -> None:
    for answer in (await in_json(client, classes=PROMPTED), await in_form(client, classes=json.dumps(PROMPTED))):
        assert answered(answer)["label"] == "sunset"


@pytest.mark.parametrize(
    ("given", "templates"),
    [
        (["a {}", "the {}"], ("a {}", "the {}")),
        ("a {},the {}", ("a {}", "the {}")),
        ("a {}, a kind of colour", ("a {}, a kind of colour",)),
        ('["a {}, as it is"]', ("a {}, as it is",)),
    ],
)
async def test_templates_in_every_form(client: httpx.AsyncClient, given: Any, templates: tuple[str, ...]) -> None:
    expected = version_of(DatasetSpec((ClassEntry("red"), ClassEntry("blue")), templates))
    for ask in (in_form, in_query, in_json):
        answer = answered(await ask(client, classes=["red", "blue"], templates=given))
        assert answer["dataset_version"] == expected, ask


async def test_the_same_content_registered_is_the_same_version(client: httpx.AsyncClient) -> None:
    content = {"classes": PROMPTED, "templates": ["the colour {}"]}
    registered = (await client.put("/datasets/sky", json=content)).json()
    answer = answered(await in_json(client, **content))
    assert answer["dataset_version"] == registered["version"]
    by_name = answered(await in_json(client, dataset="sky"))
    for changing in ("request_id", "timings_ms", "cached", "dataset"):
        del answer[changing], by_name[changing]
    assert answer == by_name


async def test_a_batch_is_compared_with_one_list(client: httpx.AsyncClient) -> None:
    blue = picture_of(COLOURS["blue"])
    files = [("images", (name, data)) for name, data in (("a", RED), ("b", blue), ("c", b"x"))]
    texts = [TEXT, base64.b64encode(blue).decode(), "eA=="]
    for answer in (
        await client.post("/classify/batch", files=files, data={"classes": "red,blue"}),
        await client.post("/classify/batch", json={"images": texts, "classes": ["red", "blue"]}),
    ):
        document = answer.json()
        assert BatchOut.model_validate(document)
        labels = [entry["result"]["label"] for entry in document["results"][:2]]
        assert (labels, document["results"][2]["error"]["status"]) == (["red", "blue"], 415)
        assert {entry["result"]["dataset"] for entry in document["results"][:2]} == {None}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, {"dataset": "is missing, and so is classes; one of them is wanted"}),
        ({"dataset": "sky", "classes": ["red"]}, {"classes": "are given besides dataset; one of them is wanted"}),
        ({"dataset": "sky", "templates": ["a {}"]}, {"templates": "go with classes; a dataset has its own"}),
        ({"classes": ["red"], "dataset_version": "12345678"}, {"dataset_version": "goes with dataset"}),
        ({"classes": []}, {"classes": "must hold at least one class"}),
        ({"classes": ["red", "red "]}, {"classes[1].name": "is a duplicate of classes[0]: 'red'"}),
        ({"classes": ["red", " "]}, {"classes[1].name": "must not be blank"}),
        ({"classes": ["red", "b\u0000"]}, {"classes[1].name": "must not hold control characters"}),
        ({"classes": ["x" * 201]}, {"classes[0].name": "has 201 characters; at most 200"}),
        ({"classes": [{"name": "red", "prompts": ["y" * 1001]}]},
         {"classes[0].prompts[0]": "has 1001 characters; at most 1000"}),
        ({"classes": ["red"], "templates": ["a thing"]},
         {"templates[0]": "has no {} for the class name: 'a thing'"}),
        ({"classes": ["red"], "templates": []}, {"templates": "must hold 1 to 200 templates"}),
        ({"classes": ["red", {"name": "blue", "colour": 1}]}, {"classes[1].colour": "is not a known field"}),
        ({"classes": ["red", 7]}, {"classes[1]": "Input should be an object"}),
        ({"classes": [{"name": "red", "images": [TEXT]}]},
         {"classes[0].images": "example pictures are kept with a registered dataset (POST /datasets)"}),
        ({"classes": [str(number) for number in range(MOST + 1)]},
         {"classes": "holds 61 classes; at most 60 in a request; register a longer list once, by POST /datasets"}),
        ({"classes": [str(number) for number in range(MOST)], "templates": ["a {}", "b {}"]},
         {"classes": "make 120 texts; at most 100 in a request; register a longer list once, by POST /datasets"}),
        ({"classes": {"red": 1}}, {"classes": "Input should be a valid list"}),
        ({"classes": 3}, {"classes": "Input should be a valid list"}),
        ({"classes": "[red, blue]"}, {"classes": "begins with [ and is no JSON array"}),
        ({"classes": "[" * 5000}, {"classes": "begins with [ and is no JSON array"}),
        ({"classes": ["red"], "templates": [3]}, {"templates[0]": "Input should be a valid string"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/classify", "/classify/batch"])
async def test_what_is_wrong_is_named(
    client: httpx.AsyncClient, path: str, fields: dict[str, Any], said: dict[str, str]
) -> None:
    picture = {"image": TEXT} if path == "/classify" else {"images": [TEXT]}
    assert refused(await client.post(path, json=picture | fields)) == said


async def test_what_is_wrong_is_named_in_a_form_too(client: httpx.AsyncClient) -> None:
    assert refused(await in_form(client)) == {"dataset": "is missing, and so is classes; one of them is wanted"}
    assert refused(await in_form(client, classes="red", dataset="sky")) == {
        "classes": "are given besides dataset; one of them is wanted"
    }
    assert refused(await in_query(client, classes='["red", 7]')) == {"classes[1]": "Input should be an object"}
    many = refused(await in_form(client, classes=[f"c{number}" for number in range(MOST + 20)]))
    assert "holds 80 classes; at most 60 in a request" in many["classes"]
    assert refused(await in_form(client, classes="red", top_k=["1", "2"])) == {"top_k": "is given more than once"}


async def test_a_field_that_is_repeated_without_end_is_no_form(client: httpx.AsyncClient) -> None:
    answer = await in_form(client, classes=["red"] * (MOST_REPEATED + 100))
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


async def test_the_prompt_to_look_for_is_taken_as_ever(client: httpx.AsyncClient) -> None:
    answer = answered(await in_form(client, classes="red,blue", localizer_prompt="thing", fusion="average", top_k="1"))
    assert (answer["label"], answer["fusion"], len(answer["scores"])) == ("red", "average", 1)


async def test_the_health_shows_what_is_kept(client: httpx.AsyncClient) -> None:
    before = HealthDetail.model_validate((await client.get("/healthz")).json())
    for _ in range(2):
        answered(await in_form(client, classes="red,green,blue"))
    after = HealthDetail.model_validate((await client.get("/healthz")).json())
    assert before.class_lists is not None
    assert after.class_lists is not None
    assert after.class_lists.entries == before.class_lists.entries + 1
    assert after.class_lists.hits == before.class_lists.hits + 1
    assert after.class_lists.misses == before.class_lists.misses + 1
    assert before.class_lists.bytes < after.class_lists.bytes < after.class_lists.max_bytes == 64 * 2**20
    assert after.workers["text encoder"].items == before.workers["text encoder"].items + 1


async def test_the_time_that_a_caller_gives_counts_for_the_classes_too(client: httpx.AsyncClient) -> None:
    """Of many callers at once each has an answer or a refusal, and all who waited long enough the right one."""
    asked = [
        client.post(
            "/classify",
            files={"image": RED},
            data={"classes": f"red,blue,list {number % 7}"},
            headers={"X-Request-Timeout-Ms": "20000" if number % 2 else "1"},
        )
        for number in range(40)
    ]
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers[1::2]} == {200}
    assert {answer.json()["label"] for answer in answers[1::2]} == {"red"}
    assert {answer.status_code for answer in answers[::2]} <= {200, 503, 504}


HEAVY = "a" + "\u0301" * 20_000 + "\u0316" * 20_000  # composing it takes the square of its length


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"classes": [HEAVY, "b"]}, "at most 200"),
        ({"classes": ["a", "b"], "templates": ["{}" + HEAVY]}, "at most 1000"),
        ({"classes": "abcd," * 3_000_000}, "10000 parts"),
        ({"branches": "abcd," * 3_000_000, "classes": ["a", "b"]}, "10000 parts"),
        ({"classes": ["a", "b"], "templates": "{}," * 3_000_000}, "10000 parts"),
        ({"classes": ["x" * 200] * 2, "templates": ["{}" * 490 + str(n) for n in range(45)]}, "characters"),
    ],
    ids=["composing", "composing-template", "commas", "commas-branches", "commas-templates", "filled-many-times"],
)
async def test_what_is_made_to_take_long_is_refused_before_it_does(
    client: httpx.AsyncClient, fields: dict[str, Any], said: str
) -> None:
    if fields["classes"] == ["x" * 200] * 2:
        fields = fields | {"classes": [name[:-1] + str(place) for place, name in enumerate(fields["classes"] * 10)]}
    began_s = time.process_time()
    refused = await in_json(client, **fields)
    assert time.process_time() - began_s < 1.5
    assert refused.status_code in (400, 422)
    assert said in refused.text


async def test_many_classes_with_prompts_travel_in_a_form_too(client: httpx.AsyncClient) -> None:
    classes = [{"name": f"class {place}", "prompts": ["one"]} for place in range(MOST)]
    spread = json.dumps([entry | {"prompts": ["one"]} for entry in classes] + [[]] * 1200)
    assert (await in_form(client, classes=json.dumps(classes))).status_code == 200
    refused = await in_form(client, classes=spread)  # more than 1,000 lists and objects are read
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "classes")
    assert "no JSON array" not in refused.text


async def test_json_in_another_encoding_than_utf_8_is_refused(client: httpx.AsyncClient) -> None:
    """The bounds of values and depth are counted in bytes of UTF-8."""
    text = json.dumps({"image": TEXT, "classes": ["red", "blue"], "q": "\u2200", "branches": [0] * 20_000})
    for encoding in ("utf-16", "utf-16-le", "utf-32"):
        refused = await client.post(
            "/classify", content=text.encode(encoding), headers={"content-type": "application/json"}
        )
        assert (refused.status_code, refused.json()["code"]) == (400, "malformed_request")
