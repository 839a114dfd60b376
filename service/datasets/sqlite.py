"""What is special to SQLite: its file and folder, how connections are set up, and whether the file is intact."""

import errno
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock, Timeout

from service.errors import DatabaseCorrupt, DatabaseUnavailable, SettingsError, StorageFull

WAITS_MS = "l2r2_waits_ms"  # option of a connection that writes: how long its transaction may wait for the lock
CHECK_S = 20.0  # of the file, at a start; what is larger than can be read in that time is checked in part
START_WAITS_S = 120.0  # for another process that starts
_EFFECTIVE = os.access in os.supports_effective_ids
log = logging.getLogger(__name__)


def listen_to(engine: sa.Engine, busy_timeout_s: float, *, salvage: bool) -> None:
    """Set up every connection of the engine. `salvage`: read what can be read of a damaged file, and write nothing."""
    pragmas = [f"busy_timeout={busy_timeout_s * 1000:.0f}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"]
    if salvage:
        pragmas = [
            "writable_schema=ON",
            *pragmas,
            "query_only=ON",
        ]  # the former also lets a file be shorter than it says

    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is sent by _begin, not by the driver
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    sa.event.listen(engine, "connect", prepare)
    sa.event.listen(engine, "begin", _begin)


def _begin(connection: sa.Connection) -> None:
    waits_ms = connection.get_execution_options().get(WAITS_MS)
    if waits_ms is None:
        connection.exec_driver_sql("BEGIN")
        return
    connection.exec_driver_sql(f"PRAGMA busy_timeout={waits_ms:d}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


class Changes:
    """SQLite's own count of the changes to a file, as one connection sees it that makes none: another one counts from
    elsewhere. For any thread."""

    def __init__(self, path: Path) -> None:
        self._address, self._lock = f"{path.absolute().as_uri()}?mode=ro", threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    def mark(self) -> int | None:
        """Another number once anybody has changed anything; told in microseconds, but for the first time, as no lock of
        others is waited for. None where it cannot be told."""
        with self._lock, suppress(sqlite3.Error):
            if self._closed:
                return None
            if self._connection is None:
                self._connection = sqlite3.connect(self._address, uri=True, timeout=0, check_same_thread=False)
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        return None

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()


@contextmanager
def starting(path: Path) -> Iterator[None]:
    """The folder is there and can be written, and no other process starts at the same time.

    Raises:
        SettingsError: the folder or the file cannot be written.
        StorageFull, DatabaseUnavailable.
    """
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place in (folder, path):
            if place.exists() and not os.access(place, os.W_OK, effective_ids=_EFFECTIVE):
                raise SettingsError(f"L2R2_DATA_DIR: {place} cannot be written; the database must be")
        with FileLock(f"{path}.lock", timeout=START_WAITS_S):
            yield
    except Timeout:
        raise DatabaseUnavailable(f"another process has been starting with {path} for {START_WAITS_S:.0f} s") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"{folder} has no room for the database; make some, or set L2R2_DATA_DIR") from None
        raise SettingsError(f"L2R2_DATA_DIR: {folder} cannot be used: {error.strerror}") from None


def check_intact(connection: sa.Connection, limit_s: float = CHECK_S) -> None:
    """Look through the file for damage, for so many seconds at most. Raises DatabaseCorrupt."""
    driver: Any = connection.connection.dbapi_connection
    timer = threading.Timer(limit_s, driver.interrupt)
    timer.start()
    try:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    except sa.exc.OperationalError as error:
        if "interrupted" not in str(error.orig):
            raise
        log.warning("the database is too large to be checked in full", extra={"limit_s": limit_s})
        return
    finally:
        timer.cancel()
        timer.join()
    if found != "ok":
        raise DatabaseCorrupt(str(found))
