"""What a database's errors mean, and what is to be done about them."""

import sqlite3
from pathlib import Path

import sqlalchemy as sa

from service.errors import DatabaseCorrupt, DatabaseUnavailable, ServiceError, StorageFull

RETRY_AFTER_S = 5
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}  # quotas and limits too
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
# PostgreSQL's SQLSTATE
DISK_FULL, READ_ONLY, LOCK_NOT_AVAILABLE = "53100", "25006", "55P03"
DATA_CORRUPTED, INDEX_CORRUPTED = "XX001", "XX002"
_NO_ANSWER = (sa.exc.OperationalError, sa.exc.InternalError, sa.exc.InterfaceError, sa.exc.TimeoutError)


def meaning_of(error: sa.exc.SQLAlchemyError) -> ServiceError | None:
    """The refusal that a caller gets, which holds nothing that the driver said; None where the fault is our own."""
    cause = getattr(error, "orig", None)
    code = getattr(cause, "sqlite_errorcode", None) or 0
    state = getattr(cause, "sqlstate", None)
    if code in _NO_ROOM or state == DISK_FULL:
        detail = "the database cannot grow (a full disk, a quota or a limit); nothing was changed. Make room and retry"
        return StorageFull(detail)
    if code & 0xFF in _DAMAGED or state in (DATA_CORRUPTED, INDEX_CORRUPTED) or "decode to UTF-8" in str(cause):
        return DatabaseCorrupt("the database is damaged; its operator finds what to do in the log", retry_after_s=60)
    detail = "the database does not answer; the log tells why"
    if code & 0xFF == sqlite3.SQLITE_READONLY or state == READ_ONLY:
        detail = "the database can be read but not written at present; nothing was changed"
    elif code & 0xFF in _LOCKED or state == LOCK_NOT_AVAILABLE:
        detail = "another process holds the database's write lock; nothing was changed"
    elif not isinstance(error, _NO_ANSWER):
        return None
    return DatabaseUnavailable(detail, retry_after_s=RETRY_AFTER_S)


def what_to_do(place: str, path: Path | None) -> str:
    """How a damaged database is replaced. `path`: of a SQLite file."""
    if path is None:
        return f"{place} is damaged: restore it from a backup of PostgreSQL's or by `l2r2 datasets import`"
    return (
        f"{path} is damaged. Stop the service; save what can be read by `l2r2 datasets export --out saved.jsonl`; "
        f"move {path} away, with the files {path}-wal and {path}-shm; then `l2r2 datasets import saved.jsonl`, or a "
        "backup made before, and start again"
    )
