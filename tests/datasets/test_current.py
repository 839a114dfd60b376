"""What is known of datasets without a query is what a query would find, whoever changes them."""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from hash_encoder import HashEncoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.datasets.registry import Registry
from service.datasets.spec import ClassEntry, DatasetSpec
from service.datasets.sqlite import Changes
from service.errors import DatasetNotFound

Start = Callable[..., Registry]
NAMES, REPLICAS = ("pets", "cars"), (0, 1)
STEPS = st.tuples(st.sampled_from(REPLICAS), st.sampled_from(("ask", "put", "delete")), st.sampled_from(NAMES))


def of(*names: str) -> DatasetSpec:
    return DatasetSpec(tuple(ClassEntry(name) for name in names))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(STEPS, st.integers(0, 3)), max_size=12))
def test_what_is_recalled_is_what_a_query_finds(start: Start, steps: list[tuple[tuple[int, str, str], int]]) -> None:
    replicas = [start(HashEncoder()) for _ in REPLICAS]
    for (replica, action, name), number in steps:
        with suppress(DatasetNotFound):
            if action == "put":
                replicas[replica].register(name, of(f"class {number}"), replace=True)
            elif action == "delete":
                replicas[replica].delete(name)
            else:
                replicas[replica].lookup(name)
        for registry in replicas:
            for each in NAMES:
                known = registry.recall(each)
                assert known is None or known is registry.lookup(each)


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
    encoder = HashEncoder()
    registry = start(encoder)
    registry.register("pets", of("cat"), replace=False)
    encoder.gate.clear()
    registry.register("pets", of(*(f"class {number}" for number in range(20))), replace=True)
    assert registry.lookup("pets").labels == ("cat",)
    assert registry.recall("pets") is None
    encoder.gate.set()


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
