"""Long lists are read into memory once, chunk by chunk."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hash_encoder import HashEncoder, vector_of

from service.datasets.build_store import CHUNKS_READ, BuildKey, BuildStore
from service.datasets.builder import PrototypeBuilder
from service.datasets.database import Database
from service.datasets.fingerprints import texts_key_of
from service.datasets.prototypes import DatasetEncoder
from service.datasets.records import Compare, RegistryLimits
from service.datasets.registry import Registry
from service.datasets.spec import ClassEntry, DatasetSpec
from service.datasets.store import DatasetStore


@dataclass(frozen=True, eq=False)
class Product:
    prototypes: np.ndarray
    extra_bytes: int = 0

    def __call__(self, views: np.ndarray, best: int) -> np.ndarray:
        product: np.ndarray = views @ self.prototypes.T
        return product


class Device:
    """Keeps what was brought to it, and may hold it at a gate."""

    def __init__(self) -> None:
        self.brought: list[np.ndarray] = []
        self.entered, self.gate = threading.Semaphore(0), threading.Event()

    def take(self, prototypes: np.ndarray) -> Compare:
        self.brought.append(prototypes)
        self.entered.release()
        assert self.gate.wait(20)
        return Product(prototypes)


def test_callers_at_the_same_time_bring_a_list_to_the_device_once(tmp_path: Path) -> None:
    database, device, count = Database(f"sqlite:///{tmp_path / 'l2r2.sqlite3'}"), Device(), CHUNKS_READ + 3
    database.migrate()
    store, builds = DatasetStore(database), BuildStore(database)
    encoder = DatasetEncoder("hash", "r1", HashEncoder().embed, resident=device.take)
    builder = PrototypeBuilder(store, builds, encoder, 1)
    registry = Registry(
        store, builds, builder, encoder, lambda _prompts: None, RegistryLimits(background_build_texts=1)
    )
    names = [f"class {number}" for number in range(count)]
    spec = DatasetSpec(tuple(map(ClassEntry, names)))
    registry.register("long", spec, replace=False)
    key = BuildKey(texts_key_of(spec), encoder.revision)
    while registry.info("long").status == "building":
        builder.build(key, wait=True)
    with ThreadPoolExecutor(3) as callers:
        found = [callers.submit(registry.lookup, "long") for _ in range(3)]
        assert device.entered.acquire(timeout=20)
        device.gate.set()
        datasets = [future.result() for future in found]
    registry.close()
    database.close()
    assert len(device.brought) == 1
    assert all(dataset is datasets[0] for dataset in datasets)
    rows = np.stack([vector_of(f"A photo of a {name}") for name in names])
    assert np.allclose(datasets[0].prototypes, rows, atol=1e-6)
    assert np.allclose(datasets[0].cosines(rows[:2], 1), rows[:2] @ rows.T, atol=1e-6)
