from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from light_models import COLOURS  # type: ignore[import-not-found]
from running import LightService, RunningService, running  # type: ignore[import-not-found]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, models_cache: Path) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("server")
    with running(folder / "log", data_dir=str(folder), models_cache=str(models_cache), offline="1") as service:
        yield service
        assert service.stop() == 0  # an orderly end


@pytest.fixture(scope="session")
def light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightService]:
    """With a dataset `colours`."""
    folder = tmp_path_factory.mktemp("light")
    with running(folder / "log", LightService, data_dir=str(folder)) as service:
        content = {"name": "colours", "classes": list(COLOURS)}
        assert httpx.post(f"{service.url}/datasets", json=content, timeout=60).status_code == 201
        yield service
