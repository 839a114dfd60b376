"""The real application around models that know colours alone: everything of it but the models' computing."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from fastapi import FastAPI
from stages.fakes import ColourEncoder, FakeLocalizer, always

from service.app import create_app
from service.engine import Engine
from service.images import ImageLimits
from service.models.catalog import MODELS
from service.models.hardware import Hardware
from service.parts import assemble
from service.recognition.boxes import Box, Detection
from service.recognizer import Recognizer
from service.settings import Settings, load_settings
from service.stages.options import Limits

MAX_BODY_BYTES = 8 * 2**20
LIMITS = ImageLimits(max_bytes=4 * 2**20, max_pixels=4_000_000)
CLASSES = ("red", "green", "blue")


class Colours(ColourEncoder):
    """Keeps nothing of what it has seen, so that memory can be measured."""

    def preprocess(self, rgb: np.ndarray) -> np.ndarray:
        pixels = super().preprocess(rgb)
        self.views.clear()
        return pixels


def light_engine(settings: Settings) -> Engine:
    localizer = FakeLocalizer(always(Detection(Box(0, 0, 1, 1), 0.9)))
    image = ImageLimits(settings.max_image_bytes, settings.max_image_pixels, settings.working_pixels)
    limits = Limits(image=image, threads=2, max_waiting=settings.queue_items)
    hardware = Hardware("cpu", False, 1)
    return Engine(Recognizer(localizer, Colours(), limits), hardware, MODELS["u2netp"], MODELS["embedded"], None)


@asynccontextmanager
async def light_service(folder: Path, **overrides: Any) -> AsyncIterator[FastAPI]:
    """Loaded, with a database of its own in `folder`; its lifespan, which loads real models, is not begun."""
    wanted = {"max_body_bytes": MAX_BODY_BYTES, "max_image_bytes": LIMITS.max_bytes}
    wanted |= {"max_image_pixels": LIMITS.max_pixels, "max_batch_images": 4, "max_top_k": 50}
    settings = load_settings(data_dir=folder, **wanted | overrides)
    app = create_app(settings)
    state = app.state.service
    state.parts = await asyncio.to_thread(assemble, settings, light_engine(settings))
    state.loaded.set()
    try:
        yield app
    finally:
        await asyncio.to_thread(state.parts.close)


@asynccontextmanager
async def light_client(folder: Path, **overrides: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Of a light service in which the dataset `colours` is registered."""
    async with light_service(folder, **overrides) as app:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service", timeout=60) as client:
            answer = await client.post("/datasets", json={"name": "colours", "classes": list(CLASSES)})
            assert answer.status_code == 201, answer.text
            yield client


def check_problem(answer: httpx.Response, *statuses: int) -> Mapping[str, Any]:
    """The problem document of a refusal with one of these statuses."""
    assert answer.status_code in statuses, (answer.status_code, answer.text[:500])
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    assert problem["code"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem
