from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hash_encoder import HashEncoder

from service.datasets.build_store import BuildStore
from service.datasets.builder import PrototypeBuilder
from service.datasets.database import BUSY_TIMEOUT_S, Database
from service.datasets.prototypes import DatasetEncoder
from service.datasets.records import RegistryLimits
from service.datasets.registry import Registry
from service.datasets.store import DatasetStore
from service.models.ports import PromptSet

CHUNK = 3  # texts


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'data' / 'l2r2.sqlite3'}"


@pytest.fixture
def encoder() -> HashEncoder:
    return HashEncoder()


Start = Callable[..., Registry]


@pytest.fixture
def start(url: str) -> Iterator[Start]:
    """Starts registries on one database, as replicas or restarts of the service would; closes them all at the end."""
    running: list[tuple[Registry, Database]] = []

    def start_one(
        encoder: HashEncoder,
        *,
        revision: str = "r1",
        name: str = "hash",
        chunk: int = CHUNK,
        background: int = 10,
        localizer: str = "l1",
        shared_space: bool = True,
        takes_pictures: bool = True,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        at: str | None = None,
        **limits: int,
    ) -> Registry:
        database = Database(at or url, busy_timeout_s=busy_timeout_s)
        database.migrate()
        store, builds = DatasetStore(database), BuildStore(database)
        embed_picture = encoder.embed_picture if takes_pictures else None
        port = DatasetEncoder(name, revision, encoder.embed, embed_picture, localizer, shared_space)
        bounds = RegistryLimits(background_build_texts=background, **limits)
        builder = PrototypeBuilder(store, builds, port, chunk)
        registry = Registry(store, builds, builder, port, check_prompts, bounds)
        running.append((registry, database))
        registry.start()
        return registry

    yield start_one
    for registry, database in running:
        registry.close()
        database.close()


def check_prompts(prompts: PromptSet) -> None:
    if "too long" in prompts.prompts:
        raise ValueError("'too long' has more than 4 tokens")
