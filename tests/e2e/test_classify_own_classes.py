"""Classes that come with a request against the same classes registered, on real models."""

import json
from typing import Any

import httpx
import pytest
from asking import alike, answer_to, put_dataset, unchanging  # type: ignore[import-not-found]

pytestmark = pytest.mark.anyio
NAMES = ["cat", "dog", "cup of coffee", "rocket", "astronaut", "horse", "tree", "house"]
CONTENTS: tuple[dict[str, Any], ...] = (
    {"classes": NAMES},
    {"classes": NAMES, "templates": ["A photo of a {}", "A close-up of a {}, in good light"]},
    {"classes": ["dog", {"name": "cat", "prompts": ["a tabby cat", "a cat's face"]}, "rocket"]},
)


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("name", ["chelsea", "rocket"])
async def test_the_scores_are_those_of_a_registered_dataset(
    client: httpx.AsyncClient, photographs: dict[str, bytes], content: dict[str, Any], name: str
) -> None:
    registered = await put_dataset(client, "listed", **content)
    by_name = await answer_to(client, photographs[name], dataset="listed", top_k=8)
    fields = {field: json.dumps(value) for field, value in content.items()}
    own = await answer_to(client, photographs[name], top_k=8, **fields)
    assert (own["dataset"], own["dataset_version"]) == (None, registered["version"])
    assert unchanging(own, "dataset") == unchanging(by_name, "dataset")


async def test_a_long_list_gives_the_same_answer(client: httpx.AsyncClient, photographs: dict[str, bytes]) -> None:
    """In other pieces than a registration embeds: the same but for the last digits."""
    names = [f"{colour} {thing}" for colour in ("old", "new", "small", "large", "broken") for thing in NAMES]
    names += [f"{name} number {number}" for name in NAMES for number in range(65)]
    await put_dataset(client, "many-things", classes=names)
    by_name = await answer_to(client, photographs["chelsea"], dataset="many-things", top_k=20)
    own = (
        await client.post(
            "/classify", files={"image": photographs["chelsea"]}, data={"classes": ",".join(names), "top_k": 20}
        )
    ).json()
    assert alike(unchanging(own, "dataset"), unchanging(by_name, "dataset"))
