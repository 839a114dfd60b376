from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI

from service.datasets.registry import Registry
from service.recognition.calibration import Calibration

pytestmark = pytest.mark.anyio
UNSURE = Calibration(("full",), temperatures={"full": (100.0,)})


@pytest.fixture
def registry(app: FastAPI) -> Registry:
    found: Registry = app.state.service.parts.registry
    return found


@pytest.fixture
async def versions(client: httpx.AsyncClient, registry: Registry) -> dict[str, str]:
    """A dataset's registered version, and one that is kept besides, by origin."""
    await client.delete("/datasets/versioned")
    created = await client.post("/datasets", json={"name": "versioned", "classes": ["cat", "dog"]})
    _, spec = registry.content("versioned")
    base = created.json()["version"]
    unsure = replace(spec, branches=("full",), calibration=UNSURE)
    info = registry.add_version("versioned", unsure, base_version=base, note={"pictures": 40}, activate=False)
    return {"registered": base, "calibrated": info.version}


async def test_versions_are_listed_newest_first(client: httpx.AsyncClient, versions: dict[str, str]) -> None:
    answer = await client.get("/datasets/versioned/versions")
    assert answer.status_code == 200
    listed = answer.json()["versions"]
    assert [(row["version"], row["current"], row["origin"], row["note"]) for row in listed] == [
        (versions["calibrated"], False, "calibrated", {"pictures": 40}),
        (versions["registered"], True, "registered", {}),
    ]
    assert all(row["created_at"].endswith("Z") for row in listed)


async def test_a_kept_version_answers_where_it_is_named_and_once_it_is_current(
    client: httpx.AsyncClient, versions: dict[str, str], photographs: dict[str, bytes]
) -> None:
    async def answer(**fields: str) -> tuple[str, float]:
        files = {"image": ("a.jpg", photographs["chelsea"])}
        response = await client.post("/classify", files=files, data={"dataset": "versioned", **fields})
        assert response.status_code == 200, response.text
        assert response.json()["label"] == "cat"
        return response.json()["dataset_version"], response.json()["confidence"]

    before = await answer()
    unsure = await answer(dataset_version=versions["calibrated"][:10])
    assert before[0] == versions["registered"]
    assert unsure[0] == versions["calibrated"]
    assert unsure[1] < before[1]

    put = await client.put("/datasets/versioned/current", json={"version": versions["calibrated"][:8]})
    assert (put.status_code, put.json()["version"], put.json()["current"]) == (200, versions["calibrated"], True)
    assert await answer() == unsure
    assert await answer(dataset_version=versions["registered"]) == before
    assert (await client.get("/datasets/versioned")).json()["version"] == versions["calibrated"]

    posted = await client.post("/datasets", json={"name": "versioned", "classes": ["cat", "dog"]})
    assert (posted.status_code, posted.json()["version"]) == (200, versions["calibrated"])

    await client.put("/datasets/versioned/current", json={"version": versions["registered"]})
    assert await answer() == before


@pytest.mark.parametrize("wanted", ["0" * 64, "", "registered", "\0" * 8])
async def test_an_unknown_version_is_not_found(
    client: httpx.AsyncClient, versions: dict[str, str], wanted: str
) -> None:
    answer = await client.put("/datasets/versioned/current", json={"version": wanted})
    assert (answer.status_code, answer.json()["code"]) == (404, "dataset_version_not_found")
    assert versions["calibrated"][:12] in answer.json()["detail"]


@pytest.mark.parametrize("name", ["nobody", "a%20b"])
async def test_versions_of_an_unknown_dataset_are_not_found(client: httpx.AsyncClient, name: str) -> None:
    for answer in (
        await client.get(f"/datasets/{name}/versions"),
        await client.put(f"/datasets/{name}/current", json={"version": "0" * 64}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "dataset_not_found")


@pytest.mark.parametrize(
    ("body", "field"), [({}, "version"), ({"version": 3}, "version"), ({"version": "0" * 64, "x": 1}, "x")]
)
async def test_a_bad_body_is_refused(client: httpx.AsyncClient, body: dict[str, object], field: str) -> None:
    answer = await client.put("/datasets/versioned/current", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


async def test_a_replacement_leaves_what_was_kept(client: httpx.AsyncClient, versions: dict[str, str]) -> None:
    await client.put("/datasets/versioned", json={"classes": ["cow"]})
    listed = (await client.get("/datasets/versioned/versions")).json()["versions"]
    assert [row["origin"] for row in listed] == ["registered", "calibrated"]
    assert listed[1]["version"] == versions["calibrated"]
