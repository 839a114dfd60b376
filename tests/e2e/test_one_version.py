"""A dataset replaced, deleted and registered again while pictures are classified against it: each answer is one
version's, with everything in it."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from asking import unchanging  # type: ignore[import-not-found]

pytestmark = pytest.mark.anyio
WORDS = ("cat", "dog", "rocket", "tree", "horse", "house")
CONTENTS: list[dict[str, Any]] = [
    {
        # disjoint classes, as many as no other has, an attribute of its own, and temperatures of its own
        "classes": [f"{word} of kind {number}" for word in WORDS[: 2 + number]],
        "priors": {f"site-{number}": {"counts": {"here": {f"dog of kind {number}": 5.0 + number}}}},
        "fusion": "max_scaled_confidence",
        "branches": ["full", "center_crop"],
        "calibration": {
            "branches": ["full", "center_crop"],
            "temperatures": {"full": [1.5 + number], "center_crop": [2.5 + number]},
        },
    }
    for number in range(4)
]
FIELDS = {"top_k": "50", "metadata": json.dumps({f"site-{number}": "here" for number in range(4)})}
TASKS, ANSWERS, CHANGES = 6, 25, 40


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """All that depends on the version."""
    document: dict[str, Any] = unchanging(answer, "dataset", "cached")
    return document


async def ask(client: httpx.AsyncClient, picture: bytes, name: str) -> httpx.Response:
    return await client.post("/classify", files={"image": ("a", picture)}, data={"dataset": name, **FIELDS})


async def test_no_answer_is_a_mix_of_versions(client: httpx.AsyncClient, photographs: dict[str, bytes]) -> None:
    picture = photographs["chelsea"]
    expected: dict[str, dict[str, Any]] = {}
    for number, content in enumerate(CONTENTS):
        made = await client.put(f"/datasets/alone-{number}", json=content)
        assert made.status_code == 201, made.text
        expected[made.json()["version"]] = told((await ask(client, picture, f"alone-{number}")).json())
    assert len(expected) == len({len(answer["scores"]) for answer in expected.values()}) == len(CONTENTS)
    ended = asyncio.Event()
    seen: dict[str, int] = dict.fromkeys(expected, 0)

    async def change() -> None:
        for step in range(CHANGES):
            content = CONTENTS[step % len(CONTENTS)]
            if step % 5 == 4:
                assert (await client.delete("/datasets/mixed")).status_code == 204
                made = await client.post("/datasets", json={"name": "mixed", **content})
            else:
                made = await client.put("/datasets/mixed", json=content)
            assert made.status_code in (200, 201), made.text
        ended.set()

    async def classify() -> None:
        count = 0
        while not ended.is_set() or count < ANSWERS:
            answer = await ask(client, picture, "mixed")
            count += 1
            if answer.status_code == 404:
                assert answer.json()["code"] == "dataset_not_found"
                continue
            assert answer.status_code == 200, answer.text
            version = answer.json()["dataset_version"]
            assert told(answer.json()) == expected[version]
            seen[version] += 1

    assert (await client.put("/datasets/mixed", json=CONTENTS[-1])).is_success
    await asyncio.gather(change(), *(classify() for _ in range(TASKS)))
    assert min(seen.values()) > 0, seen
