from collections.abc import Iterator
from pathlib import Path

import pytest
from running import RunningService, running  # type: ignore[import-not-found]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, models_cache: Path) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("server")
    with running(folder / "log", data_dir=str(folder), models_cache=str(models_cache), offline="1") as service:
        yield service
        assert service.stop() == 0  # an orderly end
