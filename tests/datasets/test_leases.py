"""Of several replicas one builds, however slow its encoder is; the others leave it alone while it lives."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from hash_encoder import HashEncoder

from service.datasets.build_store import BuildKey, BuildStore
from service.datasets.builder import LEASE_S, RENEWED_AFTER_S, PrototypeBuilder
from service.datasets.contents import VersionRow
from service.datasets.database import Database
from service.datasets.fingerprints import texts_key_of, version_of
from service.datasets.pacing import Traffic
from service.datasets.prototypes import DatasetEncoder
from service.datasets.spec import ClassEntry, DatasetSpec
from service.datasets.store import DatasetStore

LONG = DatasetSpec(tuple(ClassEntry(f"class {number}") for number in range(100)), templates=("{}",))
KEY = BuildKey(texts_key_of(LONG), "r1")
TEXTS = sorted(LONG.labels)
CHUNK = 512


class Replicas:
    """On one database, by one clock that moves while texts are embedded alone."""

    def __init__(self, url: str) -> None:
        self.now_s = 2.0**30
        self.database = Database(url)
        self.database.migrate()
        self.store, self.builds = DatasetStore(self.database), BuildStore(self.database, self.clock)
        version = VersionRow(version_of(LONG), KEY.texts_key, len(LONG.classes))
        self.store.save("long", version, LONG, KEY, replace=False, built=None, pictures={})
        self.builders: list[PrototypeBuilder] = []

    def clock(self) -> float:
        return self.now_s

    def start(
        self, text_s: float = 0.0, after_piece: Callable[[], object] = lambda: None
    ) -> tuple[PrototypeBuilder, HashEncoder]:
        encoder = HashEncoder()

        def embed(texts: Sequence[str]) -> np.ndarray:
            rows = encoder.embed(texts)
            self.now_s += text_s * len(texts)
            after_piece()
            return rows

        port, traffic = DatasetEncoder("hash", "r1", embed), Traffic(clock=self.clock)
        self.builders.append(PrototypeBuilder(self.store, self.builds, port, CHUNK, traffic))
        return self.builders[-1], encoder

    def close(self) -> None:
        for builder in self.builders:
            builder.close()
        self.database.close()


@pytest.fixture
def replicas(url: str) -> Iterator[Replicas]:
    running = Replicas(url)
    yield running
    running.close()


@pytest.mark.parametrize("text_s", [0.004, 1.0, 3.5])
def test_a_slow_build_is_not_taken_over(replicas: Replicas, text_s: float) -> None:
    other, idle = replicas.start()
    builder, encoder = replicas.start(text_s, lambda: other.build(KEY, wait=False))
    builder.build(KEY, wait=False)
    assert idle.texts == []
    assert sorted(encoder.texts) == TEXTS
    assert replicas.builds.is_ready(KEY)


def test_a_lease_is_renewed_no_more_often_than_needed(replicas: Replicas) -> None:
    leases: list[float] = []

    def look() -> None:
        row = replicas.builds.build(KEY)
        assert row is not None
        assert row.lease_until - replicas.now_s > LEASE_S / 2
        leases.append(row.lease_until)

    builder, _ = replicas.start(1.0, look)
    builder.build(KEY, wait=False)
    assert len(leases) > 80
    assert np.diff(sorted(set(leases))).min() >= RENEWED_AFTER_S


def test_a_build_that_was_taken_over_ends_at_the_next_piece(replicas: Replicas) -> None:
    other, its_encoder = replicas.start()
    builder, encoder = replicas.start(LEASE_S, lambda: other.build(KEY, wait=False))
    builder.build(KEY, wait=False)
    assert len(encoder.calls) == 1
    assert sorted(its_encoder.texts) == TEXTS
    assert replicas.builds.is_ready(KEY)


def test_a_stop_ends_a_build_at_the_next_piece_and_another_goes_on_at_once(replicas: Replicas) -> None:
    builder, encoder = replicas.start(1.0, lambda: builder.close())
    builder.build(KEY, wait=False)
    assert len(encoder.calls) == 1
    other, its_encoder = replicas.start()
    other.build(KEY, wait=False)
    assert sorted(its_encoder.texts) == TEXTS
    assert replicas.builds.is_ready(KEY)
