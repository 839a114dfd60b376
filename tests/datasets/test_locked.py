"""Another process holds the database, or nobody may write it."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from files import without_rights
from hash_encoder import HashEncoder

from service.datasets.database import Database
from service.datasets.registry import Registry
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import DatabaseUnavailable, DatasetNotFound, SettingsError

Start = Callable[..., Registry]
PETS = DatasetSpec((ClassEntry("cat"), ClassEntry("dog")))
LOCK = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def write_lock(url: str) -> Iterator[None]:
    """Held by another process."""
    command = [sys.executable, "-c", LOCK, url.removeprefix("sqlite:///")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.communicate("\n")


def test_what_cannot_be_written_in_time_is_refused_and_can_be_retried(start: Start, url: str) -> None:
    registry = start(HashEncoder(), busy_timeout_s=0.3)
    registry.register("pets", PETS, replace=False)
    with write_lock(url):
        begun_s = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="another process holds") as refused:
            registry.register("more", PETS, replace=False)
        assert refused.value.retry_after_s
        assert 0.3 <= time.monotonic() - begun_s < 10
        assert registry.lookup("pets").spec == PETS
        with pytest.raises(DatasetNotFound):
            registry.lookup("more")
    registry.register("more", PETS, replace=False)
    assert registry.lookup("more").spec == PETS


def test_however_many_wait_to_write_readers_do_not(start: Start, url: str) -> None:
    registry = start(HashEncoder())
    registry.register("pets", PETS, replace=False)
    names = [f"list-{number}" for number in range(40)]
    threads = [
        threading.Thread(target=registry.register, args=(name, PETS), kwargs={"replace": False}) for name in names
    ]
    with write_lock(url):
        for thread in threads:
            thread.start()
        for _ in range(50):
            assert registry.lookup("pets").spec == PETS
        assert all(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.join()
    assert {info.name for info in registry.infos()} == {"pets", *names}


def test_a_start_does_not_wait_for_who_writes(start: Start, url: str) -> None:
    start(HashEncoder()).register("pets", PETS, replace=False)
    with write_lock(url):
        assert start(HashEncoder(), busy_timeout_s=0.3).lookup("pets").spec == PETS


@pytest.mark.parametrize("which", ["folder", "file"])
def test_a_start_where_nothing_can_be_written_is_refused(which: str) -> None:
    with without_rights() as folder:
        database = Database(None, folder / "data")
        database.migrate()
        database.close()
        place = folder / "data" if which == "folder" else folder / "data" / "l2r2.sqlite3"
        place.chmod(0o500)
        with pytest.raises(SettingsError, match=f"L2R2_DATA_DIR: {place} cannot be written"):
            Database(None, folder / "data").migrate()
        place.chmod(0o700)


def test_a_folder_that_cannot_be_made_is_named() -> None:
    with without_rights() as folder:
        (folder / "closed").mkdir(mode=0o500)
        with pytest.raises(SettingsError, match=r"L2R2_DATA_DIR: .*/closed/data cannot be used: Permission denied"):
            Database(None, folder / "closed" / "data").migrate()


def test_what_may_only_be_read_goes_on_being_read() -> None:
    with without_rights() as folder:
        database = Database(None, folder)
        database.migrate()
        database.close()
        (folder / "l2r2.sqlite3").chmod(0o400)  # the next connection finds it so
        with pytest.raises(DatabaseUnavailable, match="can be read but not written"), database.writing() as connection:
            connection.exec_driver_sql("DELETE FROM datasets")
        with database.reading() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM datasets").scalar() == 0
        database.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_that_would_be_gone_with_the_process_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="L2R2_DATABASE_URL cannot be used: SQLite needs a file"):
        Database(url)


def test_a_database_of_a_later_release_is_left_alone(tmp_path: Path) -> None:
    database = Database(None, tmp_path)
    database.migrate()
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SettingsError, match="written by another release"):
        database.migrate()
    database.close()
