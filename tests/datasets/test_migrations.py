import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from hash_encoder import DIMENSIONS, HashEncoder

import service.datasets
from service.datasets.database import Database
from service.datasets.fingerprints import texts_key_of, version_of
from service.datasets.registry import Registry
from service.datasets.schema import metadata
from service.datasets.spec import ClassEntry, DatasetSpec

Start = Callable[..., Registry]
PETS = DatasetSpec((ClassEntry("cat"), ClassEntry("dog", ("a loyal dog",))), box_threshold=0.25)
STORED = {  # as the first revision's service wrote it
    "classes": [{"name": "cat", "prompts": []}, {"name": "dog", "prompts": ["a loyal dog"]}],
    "templates": ["A photo of a {}"],
    "localizer_prompts": [],
    "localizer_prompt_mode": None,
    "box_threshold": 0.25,
    "box_margin": None,
    "encoder": None,
    "fusion": "max_confidence",
}


def migrate(url: str, revision: str) -> None:
    Path(url.removeprefix("sqlite:///")).parent.mkdir(exist_ok=True)
    config = Config()
    config.set_main_option("script_location", str(Path(service.datasets.__file__).parent / "migrations"))
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        step = command.upgrade if revision != "base" else command.downgrade
        step(config, revision)
        connection.commit()
    engine.dispose()


def fill(url: str, prototypes: np.ndarray) -> None:
    key, time = texts_key_of(PETS), "2026-01-31 12:00:00.000000"
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        row = (version_of(PETS), key, 2, json.dumps(STORED))
        database.execute("INSERT INTO dataset_versions VALUES (?, ?, ?, ?)", row)
        database.execute("INSERT INTO datasets VALUES ('pets', ?, NULL, ?, ?)", (version_of(PETS), time, time))
        database.execute("INSERT INTO prototype_builds VALUES (?, 'r1', 2, 2, NULL, NULL, 0)", (key,))
        database.execute("INSERT INTO prototype_chunks VALUES (?, 'r1', 0, 2, ?)", (key, prototypes.tobytes()))


def test_what_the_first_revision_stored_answers_as_it_did(start: Start, encoder: HashEncoder, url: str) -> None:
    prototypes = np.arange(2 * DIMENSIONS, dtype="<f4").reshape(2, DIMENSIONS)
    migrate(url, "0001")
    fill(url, prototypes)
    registry = start(encoder)
    dataset = registry.lookup("pets")
    assert (dataset.version, dataset.spec) == (version_of(PETS), PETS)
    assert dataset.prototypes.tolist() == prototypes.tolist()
    assert registry.register("pets", PETS, replace=False)[1] is None  # the same content is the same version
    assert [info.version for info in registry.versions("pets")] == [version_of(PETS)]
    assert encoder.calls == []


def test_the_migrations_make_the_tables_that_the_code_knows(url: str) -> None:
    database = Database(url)
    database.migrate()
    database.close()
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


@pytest.mark.parametrize("revision", ["0001", "head"])
def test_every_migration_can_be_undone(url: str, revision: str) -> None:
    migrate(url, revision)
    migrate(url, "base")
    engine = sa.create_engine(url)
    assert sa.inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()
