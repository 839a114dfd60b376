"""What is known of datasets without a query is what a query would find, whoever changes them."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from uuid import uuid4

from hash_encoder import HashEncoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.datasets.registry import Registry
from service.datasets.spec import ClassEntry, DatasetSpec
from service.datasets.sqlite import Changes
from service.errors import DatasetBuilding, DatasetNotFound, DatasetVersionNotFound

Start = Callable[..., Registry]
NAMES, REPLICAS = ("pets", "cars"), (0, 1)
ACTIONS = ("put", "put a long one", "activate", "delete")
STEPS = st.tuples(st.sampled_from(REPLICAS), st.sampled_from(ACTIONS), st.sampled_from(NAMES), st.integers(0, 3))


def of(*names: str) -> DatasetSpec:
    return DatasetSpec(tuple(ClassEntry(name) for name in names))


def until(condition: Callable[[], bool]) -> None:
    """Waits for what a builder's thread brings about."""
    woken = threading.Event()
    for _ in range(1000):
        if condition():
            return
        woken.wait(0.02)
    raise AssertionError("it did not happen in time")


def take(registry: Registry, action: str, name: str, number: int) -> None:
    if action == "delete":
        registry.delete(name)
    elif action == "activate":
        versions = registry.versions(name)
        if versions:  # none before the first build is done
            registry.activate(name, versions[number % len(versions)].version)
    else:
        count = 12 if action == "put a long one" else 1  # built in the background, which others see as well
        registry.register(name, of(*(f"class {number} {place}" for place in range(count))), replace=True)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=8))
def test_what_is_recalled_is_what_a_query_finds(
    start: Start, tmp_path: Path, steps: list[tuple[int, str, str, int]]
) -> None:
    address = f"sqlite:///{tmp_path / uuid4().hex}.sqlite3"  # each example begins with nothing
    replicas = [start(HashEncoder(), at=address) for _ in REPLICAS]
    for replica, action, name, number in steps:
        # a version that was listed may be replaced by what the builder has done before it is activated
        with suppress(DatasetNotFound, DatasetBuilding, DatasetVersionNotFound):
            take(replicas[replica], action, name, number)
        for registry in replicas:
            for each in NAMES:
                with suppress(DatasetNotFound, DatasetBuilding):
                    known, found = registry.recall(each), registry.lookup(each)
                    assert known is None or known is found
    for registry in replicas:
        registry.close()


def test_after_a_query_it_is_known_until_anybody_changes_anything(start: Start) -> None:
    one, other = start(HashEncoder()), start(HashEncoder())
    one.register("pets", of("cat"), replace=False)
    assert one.recall("pets") is None
    found = one.lookup("pets")
    assert one.recall("pets") is found
    other.register("cars", of("van"), replace=False)
    assert one.recall("pets") is None
    assert one.lookup("pets") is found
    assert one.recall("pets") is found
    other.delete("pets")
    assert one.recall("pets") is None


def test_what_is_being_built_is_asked_for_each_time(start: Start) -> None:
    encoder, long = HashEncoder(), of(*(f"class {number}" for number in range(20)))
    registry = start(encoder)
    registry.register("pets", of("cat"), replace=False)
    assert encoder.entered.acquire(timeout=20)
    encoder.gate.clear()
    registry.register("pets", long, replace=True)
    assert encoder.entered.acquire(timeout=20)  # the builder waits at the gate, and changes nothing
    for _ in range(2):
        assert registry.lookup("pets").labels == ("cat",)
        assert registry.recall("pets") is None
    encoder.gate.set()
    until(lambda: registry.lookup("pets").labels == long.labels)
    until(lambda: registry.lookup("pets") is registry.recall("pets"))  # soon: the builder still has to tidy up


def test_a_list_that_is_held_no_longer_is_not_recalled(start: Start) -> None:
    registry = start(HashEncoder(), cache_bytes=1)
    for name in NAMES:
        registry.register(name, of(name), replace=False)
    for name in NAMES:
        registry.lookup(name)
    assert registry.recall("pets") is None
    assert registry.recall("cars") is not None


def test_each_change_of_the_file_is_told_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a #file?.sqlite3"
    changes = Changes(path)
    assert changes.mark() is None
    assert not path.exists()
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE things (name)")
        before = changes.mark()
        assert before is not None
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO things VALUES ('one')")
        assert changes.mark() == before
        writer.execute("ROLLBACK")
        assert changes.mark() == before
        writer.execute("INSERT INTO things VALUES ('two')")
        assert changes.mark() not in (None, before)
        changes.close()
        assert changes.mark() is None
