"""The Open Inference Protocol's addresses, with keys and without, from the loading to the end."""

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from light_models import ColourEncoder, FaultyLocalizer  # type: ignore[import-not-found]

import service
from service.access.keyfile import add_key
from service.access.keys import new_key, new_secret
from service.api.inference_protocol import LiveOut, ModelMetadataOut, ModelReadyOut, ReadyOut, ServerOut
from service.api.state import Parts, State
from service.app import create_app
from service.engine import Engine
from service.models.catalog import MODELS
from service.models.hardware import Hardware
from service.parts import assemble
from service.recognizer import Recognizer
from service.settings import Settings, load_settings
from service.stages.options import Limits

pytestmark = pytest.mark.anyio
WAIT_S = 20


class HeldTexts(ColourEncoder):
    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        assert self.open.wait(WAIT_S)
        rows: np.ndarray = super().embed_texts(texts)
        return rows


class Served:
    """A loaded service, its text encoder and a client of it."""

    def __init__(self, app: FastAPI, encoder: HeldTexts, client: httpx.AsyncClient) -> None:
        self.app, self.encoder, self.client = app, encoder, client

    async def answer(self, path: str, status: int, **headers: str) -> Any:
        response = await self.client.get(path, headers=headers)
        assert response.status_code == status, response.text
        return response.json()


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[Served]:
    encoder = HeldTexts()

    def load(settings: Settings) -> Parts:
        recognizer = Recognizer(FaultyLocalizer(), encoder, Limits())
        return assemble(
            settings, Engine(recognizer, Hardware("cpu", False, 1), MODELS["u2netp"], MODELS["embedded"], None)
        )

    app = create_app(load_settings(data_dir=folder, background_build_texts=2, **settings), load=load)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        await app.state.service.loaded.wait()
        yield Served(app, encoder, client)
        encoder.open.set()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as started:
        yield started


async def test_the_server_says_who_it_is(served: Served) -> None:
    for path in ("/v2", "/v2/"):
        document = await served.answer(path, 200)
        assert document == {"name": "L2R2", "version": service.__version__, "extensions": []}
        assert ServerOut.model_validate(document)


async def test_a_loaded_service_is_live_and_ready(served: Served) -> None:
    assert await served.answer("/v2/health/live", 200) == {"live": True}
    assert await served.answer("/v2/health/ready", 200) == {"live": True, "ready": True}
    for path in ("/v2/health/live", "/v2/health/ready"):
        head = await served.client.head(path)
        assert (head.status_code, head.content) == (200, b"")


async def test_health_is_what_the_probes_say(served: Served, tmp_path: Path) -> None:
    state: State = served.app.state.service
    state.draining = True
    assert LiveOut.model_validate(await served.answer("/v2/health/live", 200)).live
    assert ReadyOut.model_validate(await served.answer("/v2/health/ready", 503)) == ReadyOut(live=True, ready=False)
    state.draining, state.failure = False, "the process is of no use any longer"
    assert await served.answer("/v2/health/live", 503) == {"live": False}
    assert await served.answer("/v2/health/ready", 503) == {"live": False, "ready": False}
    state.failure = None


async def test_a_dataset_is_a_model(served: Served) -> None:
    registered = await served.client.put("/datasets/warm", json={"classes": ["red", "blue"]})
    document = await served.answer("/v2/models/warm", 200)
    assert ModelMetadataOut.model_validate(document).model_dump() == document
    assert (document["name"], document["platform"]) == ("warm", "l2r2")
    assert document["versions"] == [registered.json()["version"]]
    assert [tensor["name"] for tensor in document["inputs"]] == ["image"]
    assert {(tensor["name"], tensor["datatype"]) for tensor in document["outputs"]} == {
        ("label", "BYTES"), ("confidence", "FP32")
    }  # fmt: skip
    assert await served.answer("/v2/models/warm/ready", 200) == {"name": "warm", "ready": True}
    served.app.state.service.draining = True
    assert await served.answer("/v2/models/warm/ready", 503) == {"name": "warm", "ready": False}
    served.app.state.service.draining = False


async def test_a_dataset_is_ready_when_it_is_built(served: Served) -> None:
    served.encoder.open.clear()
    building = await served.client.put("/datasets/long", json={"classes": ["red", "green", "blue"]})
    assert building.status_code == 202
    assert ModelReadyOut.model_validate(await served.answer("/v2/models/long/ready", 503)).ready is False
    assert (await served.answer("/v2/models/long", 200))["versions"] == []
    served.encoder.open.set()
    while (await served.client.get("/v2/models/long/ready")).status_code == 503:
        pass
    assert await served.answer("/v2/models/long/ready", 200) == {"name": "long", "ready": True}
    assert (await served.answer("/v2/models/long", 200))["versions"] == [building.json()["building"]]


@pytest.mark.parametrize("name", ["none", "no%20name", "%00", "x" * 200])
@pytest.mark.parametrize("path", ["/v2/models/{}", "/v2/models/{}/ready"])
async def test_a_dataset_that_is_not_there_is_told_in_both_languages(served: Served, path: str, name: str) -> None:
    response = await served.client.get(path.format(name))
    problem = response.json()
    assert (response.status_code, problem["code"]) == (404, "dataset_not_found")
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["error"] == problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]


async def test_while_models_are_loaded_nothing_is_ready(tmp_path: Path) -> None:
    app = create_app(load_settings(data_dir=tmp_path))  # its lifespan is not entered: nothing loads
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        served = Served(app, HeldTexts(), client)
        assert await served.answer("/v2/health/live", 200) == {"live": True}
        assert await served.answer("/v2/health/ready", 503) == {"live": True, "ready": False}
        assert await served.answer("/v2/models/warm/ready", 503) == {"name": "warm", "ready": False}
        assert (await served.answer("/v2", 200))["name"] == "L2R2"
        refused = await client.get("/v2/models/warm")
        assert (refused.status_code, refused.json()["error"]) == (503, "models are being loaded")
        assert refused.headers["retry-after"]


async def test_with_keys_the_health_alone_is_open(tmp_path: Path) -> None:
    secret, file = new_secret(), tmp_path / "keys.json"
    add_key(file, new_key("reader", secret, scopes=("classify",)))
    async with serving(tmp_path / "data", keys_file=file) as served:
        for path in ("/v2/health/live", "/v2/health/ready"):
            await served.answer(path, 200)
        for path in ("/v2", "/v2/", "/v2/models/warm", "/v2/models/warm/ready", "/v2/health"):
            assert (await served.answer(path, 401))["code"] == "unauthorized"
        assert (await served.answer("/v2", 200, Authorization=f"Bearer {secret}"))["name"] == "L2R2"
        for path in ("/v2/models/warm", "/v2/models/warm/ready"):
            assert (await served.answer(path, 404, Authorization=f"Bearer {secret}"))["code"] == "dataset_not_found"
