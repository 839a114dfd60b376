"""A full disk: what was acknowledged stays and answers, what was refused is absent, and with room it all goes on."""

import resource
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from files import fill, small_disk
from hash_encoder import HashEncoder

from service.datasets.registry import Registry
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import DatasetNotFound, StorageFull

Start = Callable[..., Registry]
WAIT_S = 20
WRITERS, READERS = 3, 1
SMALL = DatasetSpec((ClassEntry("cat"), ClassEntry("dog")))
LONG = DatasetSpec(tuple(ClassEntry(f"class {number}") for number in range(20)))


def bulky(name: str) -> DatasetSpec:
    """Of about 16 KB."""
    long = name * (900 // len(name))
    return DatasetSpec(
        tuple(ClassEntry(f"{name} {number}", (f"{number} {long}", f"{long} {number}")) for number in range(8))
    )


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Load:
    """Writers that register until each was refused three times, and readers that look up throughout."""

    def __init__(self, registry: Registry) -> None:
        self.acknowledged: list[str] = []
        self.refused: list[str] = []
        self.details: set[str] = set()
        self.faults: list[BaseException] = []
        self._registry = registry
        self._full = threading.Event()

    def run(self) -> None:
        writers = [threading.Thread(target=self._noting, args=(self._write, place)) for place in range(WRITERS)]
        readers = [threading.Thread(target=self._noting, args=(self._read,)) for _ in range(READERS)]
        for thread in (*writers, *readers):
            thread.start()
        for thread in writers:
            thread.join()
        self._full.set()
        for thread in readers:
            thread.join()
        assert self.faults == []
        assert self.acknowledged
        assert self.refused
        assert all("nothing was changed" in detail for detail in self.details)

    def _noting(self, run: Callable[..., None], *arguments: int) -> None:
        try:
            run(*arguments)
        except BaseException as error:  # noqa: BLE001
            self.faults.append(error)

    def _write(self, place: int) -> None:
        refusals = number = 0
        while refusals < 3:
            name, number = f"list-{place}-{number}", number + 1
            try:
                self._registry.register(name, bulky(name), replace=False)
                self.acknowledged.append(name)
            except StorageFull as error:
                self.refused.append(name)
                self.details.add(error.detail)
                refusals += 1

    def _read(self) -> None:
        while not self._full.is_set():
            for name in self.acknowledged[-5:]:
                assert self._registry.lookup(name).spec == bulky(name)


def check_kept(registry: Registry, load: Load) -> None:
    for name in load.acknowledged:
        assert registry.lookup(name).spec == bulky(name)
    for name in load.refused:
        with pytest.raises(DatasetNotFound):
            registry.lookup(name)
    assert sorted(info.name for info in registry.infos()) == sorted(load.acknowledged)


def check_all_works(registry: Registry, load: Load) -> None:
    registry.delete(load.acknowledged[0])
    for name in load.refused:
        registry.register(name, bulky(name), replace=False)
    load.acknowledged = [*load.acknowledged[1:], *load.refused]
    load.refused = []
    check_kept(registry, load)


def test_a_file_that_may_not_grow_loses_nothing_and_grows_on_later(start: Start, encoder: HashEncoder) -> None:
    registry = start(encoder, background=100)
    load = Load(registry)
    with largest_file(400_000):
        load.run()
        check_kept(registry, load)
    check_all_works(registry, load)
    check_kept(start(HashEncoder()), load)


def test_a_full_disk_loses_nothing_and_all_goes_on_with_room(start: Start, encoder: HashEncoder) -> None:
    with small_disk(4 * 2**20) as folder:
        if folder is None:
            pytest.skip("needs the right to mount a small file system")
        at = f"sqlite:///{folder / 'l2r2.sqlite3'}"
        registry = start(encoder, at=at, background=100)
        ballast = fill(folder, left_bytes=400_000)
        load = Load(registry)
        load.run()
        check_kept(registry, load)
        fill(folder)  # to the last byte
        check_kept(registry, load)
        with pytest.raises(StorageFull):
            registry.delete(load.acknowledged[0])
        ballast.unlink()
        check_all_works(registry, load)
        check_kept(start(HashEncoder(), at=at), load)
        fill(folder)
        with sqlite3.connect(folder / "l2r2.sqlite3") as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        database.close()


def test_a_start_on_a_full_disk_says_so(start: Start) -> None:
    with small_disk(2**20) as folder:
        if folder is None:
            pytest.skip("needs the right to mount a small file system")
        fill(folder)
        with pytest.raises(StorageFull):
            start(HashEncoder(), at=f"sqlite:///{folder / 'l2r2.sqlite3'}")


def test_a_build_that_found_no_room_goes_on_when_there_is_some(start: Start, encoder: HashEncoder, url: str) -> None:
    registry = start(encoder)
    registry.register("small", SMALL, replace=False)
    encoder.held_from_call = len(encoder.calls) + 2
    encoder.gate.clear()
    registry.register("long", LONG, replace=False)
    until(lambda: len(encoder.calls) >= encoder.held_from_call)  # the first piece is stored
    wal = Path(url.removeprefix("sqlite:///") + "-wal")
    with largest_file(wal.stat().st_size):
        encoder.gate.set()
        until(lambda: registry.health().waiting == 0 and registry.health().running_for_s == 0)
        info = registry.info("long")
        assert (info.status, info.failure) == ("building", None)
        assert 0 < info.progress < 1
        assert registry.lookup("small").spec == SMALL
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        database.execute("UPDATE prototype_builds SET lease_until = 0")  # as if a minute had passed
    database.close()
    until(lambda: registry.info("long").status == "ready")
    assert registry.lookup("long").labels == LONG.labels
    assert len(encoder.texts) == len(LONG.labels) + 3 + len(
        SMALL.labels
    )  # the piece that found no room was embedded twice


def until(condition: Callable[[], bool]) -> None:
    woken = threading.Event()
    for _ in range(int(WAIT_S / 0.02)):
        if condition():
            return
        woken.wait(0.02)
    raise AssertionError("it did not happen in time")
