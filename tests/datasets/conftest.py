from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hash_encoder import HashEncoder

from service.datasets.build_store import BuildStore
from service.datasets.builder import PrototypeBuilder, TextEncoder
from service.datasets.database import Database
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
        **limits: int,
    ) -> Registry:
        database = Database(url)
        database.migrate()
        store, builds = DatasetStore(database), BuildStore(database)
        texts = TextEncoder(name, revision, encoder.embed)
        bounds = RegistryLimits(background_build_texts=background, **limits)
        builder = PrototypeBuilder(store, builds, texts, chunk)
        registry = Registry(store, builds, builder, texts, check_prompts, bounds)
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
