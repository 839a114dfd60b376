from collections.abc import Iterator

import httpx
import pytest
from light_models import COLOURS  # type: ignore[import-not-found]
from running import LightService, running  # type: ignore[import-not-found]


@pytest.fixture(scope="session")
def light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightService]:
    """With a dataset `colours`; long lists are built in the background."""
    folder = tmp_path_factory.mktemp("light")
    settings = {"data_dir": str(folder), "background_build_texts": "300", "build_chunk_texts": "100"}
    with running(folder / "log", LightService, **settings) as service:
        content = {"name": "colours", "classes": list(COLOURS)}
        assert httpx.post(f"{service.url}/datasets", json=content, timeout=60).status_code == 201
        yield service
