"""The same picture again, over HTTP: no model runs, the answer is the same, and the health shows it."""

from typing import Any

import httpx
import pytest
from asking import CHANGING, answer_to, classify, put_dataset, unchanging  # type: ignore[import-not-found]

pytestmark = pytest.mark.anyio


async def lookups(client: httpx.AsyncClient) -> dict[str, Any]:
    cache: dict[str, Any] = (await client.get("/healthz")).json()["cache"]
    return cache


async def test_a_picture_seen_before_costs_no_model_time_and_the_answer_is_the_same(
    client: httpx.AsyncClient, things: str, altered: dict[str, bytes]
) -> None:
    image = next(iter(altered.values())) + b"unlike any other test's"
    first = await answer_to(client, image, dataset=things, embeddings="true")
    assert first["cached"] is False
    assert {"decode", "locate", "views", "embed"} <= set(first["timings_ms"])
    before = await lookups(client)
    again = await answer_to(client, image, dataset=things, embeddings="true")
    assert again["cached"] is True
    assert set(again["timings_ms"]) == {"score", "total"}
    assert {name: again[name] for name in again if name not in CHANGING} == unchanging(first)
    after = await lookups(client)
    for kind, hits in (("pictures", 1), ("boxes", 1), ("masks", 1), ("views", 3)):
        assert after[kind]["misses"] == before[kind]["misses"]
        assert after[kind]["hits"] == before[kind]["hits"] + hits
    assert (after["entries"], after["bytes"]) == (before["entries"], before["bytes"])
    assert 0 < after["bytes"] <= after["max_bytes"] == 16 * 2**20


async def test_another_dataset_with_other_prompts_is_answered_from_what_is_known(
    client: httpx.AsyncClient, things: str, photographs: dict[str, bytes]
) -> None:
    await answer_to(client, photographs["coffee"], dataset=things)
    await put_dataset(
        client, "drinks", classes=["cup of coffee", "elephant"], localizer_prompts=["cup"], fusion="average"
    )
    answer = await answer_to(client, photographs["coffee"], dataset="drinks")
    assert answer["cached"] is True
    assert answer["label"] == "cup of coffee"
    padded = await answer_to(client, photographs["coffee"], dataset="drinks", pad_colour="#0a0b0c")
    assert padded["cached"] is False
    assert {"decode", "views", "embed"} <= set(padded["timings_ms"])


async def test_bytes_that_are_no_picture_are_refused_each_time(client: httpx.AsyncClient, things: str) -> None:
    before = await lookups(client)
    for _ in range(2):
        assert (await classify(client, b"no picture", dataset=things)).status_code == 415
    after = await lookups(client)
    assert after["entries"] == before["entries"]
    assert after["pictures"]["misses"] == before["pictures"]["misses"] + 2
