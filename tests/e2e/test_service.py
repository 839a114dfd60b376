"""Probes, models, OpenAPI."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from service.api.schemas import ModelsOut
from service.api.state import State
from service.app import create_app
from service.models.catalog import PROFILES
from service.recognition.fusion import FUSIONS
from service.recognition.views import VIEWS
from service.settings import load_settings

MODELS_CACHE = Path(__file__).parents[2] / "models_cache"
pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz", "/healthz"])
async def test_a_loaded_service_is_alive_and_ready(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert (response.status_code, response.json()["status"]) == (200, "ok")


async def test_health_shows_the_workers(client: httpx.AsyncClient) -> None:
    workers = (await client.get("/healthz")).json()["workers"]
    assert set(workers) == {"localizer", "encoder", "prototype builder", "text encoder"}
    assert all(worker["alive"] for worker in workers.values())


async def test_a_draining_service_is_alive_but_not_ready(app: FastAPI, client: httpx.AsyncClient) -> None:
    state: State = app.state.service
    state.draining = True
    try:
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200
    finally:
        state.draining = False


async def test_a_service_that_found_its_database_damaged_is_not_ready(app: FastAPI, client: httpx.AsyncClient) -> None:
    state: State = app.state.service
    assert state.parts is not None
    state.parts.database.damage = "the file is damaged"
    try:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["reason"]) == (503, "the database is damaged; the log tells what to do")
        assert (await client.get("/livez")).status_code == 200
    finally:
        state.parts.database.damage = None
    assert (await client.get("/readyz")).status_code == 200


async def test_a_service_whose_models_are_not_loaded_says_so(tmp_path) -> None:  # type: ignore[no-untyped-def]
    app = create_app(load_settings(data_dir=tmp_path))  # its lifespan is not entered: nothing loads
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        assert (await client.get("/livez")).status_code == 200
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["reason"]) == (503, "models are being loaded")
        refused = await client.post("/classify", json={})
        assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
        assert refused.headers["retry-after"]


async def test_a_service_that_cannot_load_says_why_and_calls_for_its_end(tmp_path) -> None:  # type: ignore[no-untyped-def]
    calls: list[str] = []
    settings = load_settings(data_dir=tmp_path, models_cache=tmp_path / "empty", offline=True)
    app = create_app(settings, on_failure=lambda: calls.append("stop"))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        await app.state.service.loaded.wait()
        live = await client.get("/livez")
        assert live.status_code == 503
        assert "l2r2 models pull" in live.json()["reason"]
    assert calls == ["stop"]


async def test_a_fault_while_loading_is_no_endless_loading(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "l2r2.sqlite3").write_bytes(b"this is no database" * 100)
    calls: list[str] = []
    settings = load_settings(data_dir=tmp_path, localizer="none", models_cache=MODELS_CACHE)
    app = create_app(settings, on_failure=lambda: calls.append("stop"))
    async with app.router.lifespan_context(app):
        await app.state.service.loaded.wait()
        assert app.state.service.failure
    assert calls == ["stop"]


async def test_models_lists_what_is_loaded_and_what_may_be_asked_for(client: httpx.AsyncClient) -> None:
    models = (await client.get("/models")).json()
    assert (models["localizer"]["name"], models["encoder"]["name"]) == ("u2netp", "embedded")
    assert models["segmenter"] is None  # the localizer sees the objects' pixels itself
    assert models["usual_branches"] == ["full", "fg", "fg_mask"]
    assert (models["box_margin"], models["max_body_bytes"]) == (0.0, 8 * 2**20)
    assert models["branches"] == {name: view.summary for name, view in VIEWS.items()}
    assert models["fusions"] == {name: fusion.summary for name, fusion in FUSIONS.items()}
    assert all(models["branches"].values())
    assert all(models["fusions"].values())
    assert set(models["profiles"]) == set(PROFILES)
    standard = models["profiles"]["standard"]
    assert (standard["localizer"], standard["encoder"]) == ("grounding-dino-tiny", "siglip2-so400m")
    assert standard["segmenter"] == PROFILES["standard"].segmenter
    assert ModelsOut.model_validate(models).model_dump(mode="json") == models


async def test_the_documentation_page_is_there(client: httpx.AsyncClient) -> None:
    assert (await client.get("/docs")).status_code == 200
