from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from altered import variants  # type: ignore[import-not-found]
from fastapi import FastAPI

from service.app import create_app
from service.settings import load_settings


@pytest.fixture(scope="session")
async def app(models_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FastAPI]:
    """The service on the embedded profile's real models, loaded once."""
    settings = load_settings(
        data_dir=tmp_path_factory.mktemp("data"),
        models_cache=models_cache,
        profile="embedded",
        threads=1,  # tests run side by side
        stall_s=3600,  # between tests the event loop stands still
        canary_interval_s=3600,
        background_build_texts=1000,
        max_body_bytes=8 * 2**20,
        max_image_bytes=4 * 2**20,
        max_image_pixels=4_000_000,
        max_batch_images=4,
        max_classes=3000,
        max_top_k=50,
    )
    service = create_app(settings)
    async with service.router.lifespan_context(service):
        await service.state.service.loaded.wait()
        assert service.state.service.failure is None
        yield service


@pytest.fixture(scope="session")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service", timeout=120) as opened:
        yield opened


@pytest.fixture(scope="session")
async def things(client: httpx.AsyncClient) -> str:
    """A registered dataset."""
    names = ["cat", "dog", "cup of coffee", "rocket", "astronaut", "horse", "tree", "house"]
    answer = await client.post("/datasets", json={"name": "things", "classes": names})
    assert answer.status_code == 201, answer.text
    return "things"


RIVALS = ("cat", "fox", "cup of coffee", "bowl of soup", "rocket", "tower", "astronaut", "pilot")


@pytest.fixture(scope="session")
async def rivals(client: httpx.AsyncClient) -> str:
    """A registered dataset whose classes are easily taken for each other."""
    answer = await client.post("/datasets", json={"name": "rivals", "classes": list(RIVALS)})
    assert answer.status_code == 201, answer.text
    return "rivals"


@pytest.fixture(scope="session")
def altered(photographs: dict[str, bytes]) -> dict[str, bytes]:
    """Small altered photographs by name; in some of them the views disagree, in some nothing is found."""
    return {name: data for _, name, data in variants(photographs, 6)}
