"""Connections and transactions: SQLite in one file, or PostgreSQL for several replicas."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from filelock import FileLock

from service.errors import DatabaseUnavailable, SettingsError

BUSY_TIMEOUT_S = 30
CONNECT_TIMEOUT_S = 10
log = logging.getLogger(__name__)
_WRITES = "l2r2_writes"
_WRITE_LOCK, _MIGRATION_LOCK = 0x4C325232, 0x4C325233  # PostgreSQL advisory locks, arbitrary numbers of our own


class Database:
    """Readers never wait. Writers come one after another, over all replicas: registrations are rare and short, and with
    one writer at a time no interleaving has to be thought about."""

    def __init__(self, url: str | None, data_dir: Path = Path("data")) -> None:
        """`url` as SQLAlchemy takes it; None is a SQLite file in `data_dir`."""
        try:
            default = sa.URL.create("sqlite", database=str(data_dir / "l2r2.sqlite3"))
            self._url = default if url is None else sa.make_url(url)
            self._sqlite = self._url.get_backend_name() == "sqlite"
            known = {} if self._sqlite else {"connect_timeout": CONNECT_TIMEOUT_S}
            self._engine = sa.create_engine(self._url, pool_pre_ping=not self._sqlite, connect_args=known)
        except (sa.exc.ArgumentError, ModuleNotFoundError) as error:
            raise SettingsError(
                f"L2R2_DATABASE_URL cannot be used: {error}; for PostgreSQL install l2r2[postgres] and give "
                "postgresql+psycopg://user:password@host/name"
            ) from None
        if self._sqlite:
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        with _translated(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that no other writer overlaps; committed when the block ends without an error."""
        with _translated(), self._engine.connect() as plain:
            connection = plain.execution_options(**{_WRITES: True})
            with connection.begin():
                if not self._sqlite:
                    connection.execute(sa.text(f"SET LOCAL lock_timeout = '{BUSY_TIMEOUT_S}s'"))
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITE_LOCK)))
                yield connection

    def migrate(self) -> None:
        """Bring the tables up to date; of several processes starting at once one does it and the others wait."""
        with _translated():
            if self._sqlite:
                self._make_folder()
                with FileLock(f"{self._url.database}.lock"), self._engine.connect() as connection:
                    _upgrade(connection)
                return
            with self._engine.connect() as connection:
                connection.execute(sa.select(sa.func.pg_advisory_lock(_MIGRATION_LOCK)))
                connection.commit()
                try:
                    _upgrade(connection)
                finally:
                    connection.execute(sa.select(sa.func.pg_advisory_unlock(_MIGRATION_LOCK)))
                    connection.commit()

    def close(self) -> None:
        self._engine.dispose()

    def __str__(self) -> str:
        return self._url.render_as_string(hide_password=True)

    def _make_folder(self) -> None:
        folder = Path(self._url.database or "").parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"L2R2_DATA_DIR: {folder} cannot be made: {error.strerror}") from None


def _upgrade(connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is sent by _begin_sqlite, not by the driver
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_S * 1000}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InternalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
        log.warning("the database does not answer", exc_info=error)
        raise DatabaseUnavailable("the database does not answer; the log tells why", retry_after_s=5) from None
