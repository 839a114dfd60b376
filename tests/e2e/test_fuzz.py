"""Bytes that are nobody's request get a clear refusal, whatever they claim to be."""

import json
import random
from dataclasses import fields
from typing import Any

import httpx
import pytest

from service.datasets.spec import DatasetSpec
from service.recognition.fusion import FUSIONS
from service.recognition.views import VIEWS
from service.stages.options import Options

pytestmark = pytest.mark.anyio

REFUSALS = {400, 404, 413, 415, 422}
TYPES = (
    "image/jpeg",
    "image/png",
    "application/json",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "application/octet-stream",
    "text/plain",
    "",
)


def noise(chance: random.Random, photograph: bytes) -> bytes:
    """Random bytes, a damaged photograph, or a form or a JSON object with damage in it."""
    length = chance.randrange(0, 300)
    garbage = chance.randbytes(length)
    form = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + garbage + b"\r\n--x--\r\n"
    document = b'{"dataset": "things", "image": "' + garbage.hex().encode() + b'"}'
    cut = bytearray(photograph[: chance.randrange(1, len(photograph) // 2)])
    for _ in range(5):
        cut[chance.randrange(len(cut))] = chance.randrange(256)
    whole = chance.choice([garbage, form, document, bytes(cut)])
    return whole[: chance.randrange(len(whole) + 1)] if chance.random() < 0.3 else whole


@pytest.mark.parametrize("seed", range(8))
async def test_noise_is_refused_with_a_problem_document(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes], seed: int
) -> None:
    chance = random.Random(seed)
    for _ in range(40):
        content_type = chance.choice(TYPES)
        headers = {"content-type": content_type} if content_type else {}
        path = chance.choice(["/classify", "/classify/batch", "/datasets", "/datasets/things/calibration"])
        body = noise(chance, photographs["chelsea"])
        response = await client.post(path, content=body, headers=headers, params={"dataset": things})
        assert response.status_code in REFUSALS, (path, content_type, body[:80], response.text)
        assert response.json()["status"] == response.status_code


VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 0.5, 1e300, 10**400, "", " ", "nan", "{", "\x00", "\ud800", "x" * 2000, "black",
    [], [None], [*VIEWS], ["full", "fg"], ["a", "{}"], {}, {"a": 1}, {"a": {"b": {"c": 1}}}, {"cat": 0.5},
    {"place": {"counts": {"x": {"cat": 1}}}}, {"branches": ["full"], "temperatures": {"full": [1.0]}}, *VIEWS, *FUSIONS,
)  # fmt: skip


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize("seed", range(4))
async def test_no_value_of_an_option_breaks_a_request(client: httpx.AsyncClient, things: str, seed: int) -> None:
    """The picture is none, so that good options end in its refusal."""
    chance = random.Random(seed)
    names = ["dataset_version", *(field.name for field in fields(Options))]
    for _ in range(150):
        asked = {name: chance.choice(VALUES) for name in chance.sample(names, chance.randrange(1, 4))}
        form = {name: as_text(value).encode("utf-8", "replace").decode() for name, value in asked.items()}
        body = json.dumps({"image": "AAAA", "dataset": things, **asked})
        answers = [
            await client.post("/classify", files={"image": b"no picture"}, data={"dataset": things, **form}),
            await client.post("/classify", content=body, headers={"content-type": "application/json"}),
        ]
        for answer in answers:
            assert answer.status_code in REFUSALS, (asked, answer.text)
            assert answer.json()["status"] == answer.status_code


@pytest.mark.parametrize("seed", range(4))
async def test_no_value_of_a_field_breaks_a_dataset(client: httpx.AsyncClient, seed: int) -> None:
    """What is accepted may be put again as it is shown."""
    chance = random.Random(seed)
    names = sorted({field.name for field in fields(DatasetSpec)} - {"classes"})
    for _ in range(150):
        content = {name: chance.choice(VALUES) for name in chance.sample(names, chance.choice([1, 1, 2]))}
        body = json.dumps({"classes": ["cat", "dog"], **content})
        answer = await client.put("/datasets/any", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in {200, 201, 422, 400}, (content, answer.text)
        if answer.status_code < 300:
            shown = (await client.get("/datasets/any")).json()
            again = await client.put("/datasets/any", json=shown)
            assert (again.status_code, again.json()) == (200, shown)
    await client.delete("/datasets/any")


@pytest.mark.parametrize("seed", range(4))
async def test_no_value_of_a_field_breaks_a_calibration(client: httpx.AsyncClient, things: str, seed: int) -> None:
    chance = random.Random(seed)
    wishes = ["branches", "fusion", "temperatures", "learn", "validation_share", "keep_right", "abstain_by", "seed"]
    for _ in range(150):
        item = {name: chance.choice(VALUES) for name in ("label", "image", "embeddings", "box_score")}
        item["label"] = chance.choice(["cat", "dog", None, item["label"]])
        content = {name: chance.choice(VALUES) for name in chance.sample(wishes, chance.randrange(0, 3))}
        body = json.dumps({"items": [item] * chance.randrange(3), **content})
        path, headers = f"/datasets/{things}/calibration", {"content-type": "application/json"}
        answer = await client.post(path, content=body, headers=headers)
        assert answer.status_code in REFUSALS, (item, content, answer.text)
        assert answer.json()["status"] == answer.status_code
