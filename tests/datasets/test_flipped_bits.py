"""Prototypes whose stored bits changed are not answered with: what changed is built again from the texts."""

import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing

import pytest
from hash_encoder import HashEncoder

from service.datasets.records import Dataset
from service.datasets.registry import Registry
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import DatasetBuilding

Start = Callable[..., Registry]
WAIT_S = 20
SPEC = DatasetSpec(tuple(ClassEntry(f"class {number}") for number in range(12)))  # four pieces of three


def answering(registry: Registry) -> Dataset:
    until_s = time.monotonic() + WAIT_S
    while time.monotonic() < until_s:
        try:
            return registry.lookup("twelve")
        except DatasetBuilding:
            continue
    raise AssertionError("it was not built")


def pieces(url: str) -> Sequence[tuple[int, bytes, str | None]]:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
        return database.execute("SELECT first_class, vectors, sha256 FROM prototype_chunks ORDER BY 1").fetchall()


def change(url: str, first_class: int, column: str, value: object) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database, database:
        database.execute(f"UPDATE prototype_chunks SET {column} = ? WHERE first_class = ?", (value, first_class))


@pytest.fixture
def expected(start: Start, url: str) -> list[list[float]]:
    """What a sound list holds, which is closed again."""
    registry = start(HashEncoder())
    registry.register("twelve", SPEC, replace=False)
    return answering(registry).prototypes.tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("first_class", [0, 9])
def test_one_bit_is_noticed_and_only_its_piece_is_built_again(
    start: Start, url: str, expected: list[list[float]], caplog: pytest.LogCaptureFixture, first_class: int
) -> None:
    before = pieces(url)
    vectors = bytearray({row[0]: row[1] for row in before}[first_class])
    vectors[random.Random(first_class).randrange(len(vectors))] ^= 0x10
    change(url, first_class, "vectors", bytes(vectors))
    encoder = HashEncoder()
    caplog.set_level("WARNING", logger="service")  # whatever other tests left
    assert answering(start(encoder)).prototypes.tolist() == expected
    assert sorted(encoder.texts) == sorted(f"A photo of a class {first_class + place}" for place in range(3))
    assert "stored prototypes have changed" in caplog.text
    assert pieces(url) == before
    again = HashEncoder()
    assert answering(start(again)).prototypes.tolist() == expected
    assert again.calls == []


def test_a_short_list_built_at_once_is_watched_too(start: Start, url: str) -> None:
    spec = DatasetSpec(SPEC.classes[:4])
    start(HashEncoder()).register("twelve", spec, replace=False)
    [(first, vectors, _)] = pieces(url)
    change(url, first, "vectors", vectors[::-1])
    encoder = HashEncoder()
    shown = answering(start(encoder))
    assert shown.prototypes.astype("<f4").tobytes() == vectors
    assert len(encoder.texts) == 4


def test_pieces_of_the_first_services_have_no_checksum_and_are_taken_as_they_are(
    start: Start, url: str, expected: list[list[float]]
) -> None:
    for first, *_ in pieces(url):
        change(url, first, "sha256", None)
    encoder = HashEncoder()
    assert answering(start(encoder)).prototypes.tolist() == expected
    assert encoder.calls == []
