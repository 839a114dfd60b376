"""Real models for everybody: the embedded profile's weights are fetched once into the project's own models cache."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from PIL import Image

from service.models.catalog import MODELS
from service.models.hardware import one_blas_thread
from service.models.weights import WeightsStore

hypothesis.settings.register_profile("shared-machine", deadline=None)  # a busy neighbour is no bug
hypothesis.settings.load_profile("shared-machine")
one_blas_thread()  # as the service does
MODELS_CACHE = Path(__file__).parents[1] / "models_cache"


@pytest.fixture(autouse=True)
def logs_as_usual() -> Iterator[None]:
    """Commands that run in this process choose what is logged, for good: the next test is to see warnings again."""
    logger = logging.getLogger("service")
    before = min(logger.level, logging.WARNING)
    logger.setLevel(before)
    yield
    logger.setLevel(before)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def models_cache() -> Path:
    store = WeightsStore(MODELS_CACHE, offline=False)
    for name in ("u2netp", "embedded"):
        store.folder(MODELS[name])
    return MODELS_CACHE


@pytest.fixture(scope="session")
def photographs() -> dict[str, bytes]:
    """scikit-image's photographs, as JPEG files."""
    from skimage import data

    files = {}
    for name in ("chelsea", "coffee", "astronaut", "rocket"):
        buffer = io.BytesIO()
        Image.fromarray(getattr(data, name)()).save(buffer, "JPEG", quality=92)
        files[name] = buffer.getvalue()
    return files
