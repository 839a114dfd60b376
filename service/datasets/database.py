"""Connections and transactions: SQLite in one file, or PostgreSQL for several replicas."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.util import CommandError

from service.datasets import sqlite
from service.datasets.refusals import RETRY_AFTER_S, meaning_of, what_to_do
from service.datasets.revisions import alembic_config, tables_of
from service.errors import DatabaseCorrupt, DatabaseUnavailable, SettingsError

BUSY_TIMEOUT_S = 30.0
# A server that vanished, or a network that swallows packets, is noticed within half a minute.
POSTGRES = {
    "connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,  # seconds
    "tcp_user_timeout": 25_000,  # ms
}  # fmt: skip
log = logging.getLogger(__name__)
_WRITE_LOCK, _MIGRATION_LOCK = 0x4C325232, 0x4C325233  # PostgreSQL advisory locks, arbitrary numbers of our own


class Database:
    """Readers never wait. Writers come one after another, over all replicas: registrations are rare and short, and with
    one writer at a time no interleaving has to be thought about.

    damage: what is to be done, once anything was found to be damaged.
    """

    def __init__(
        self,
        url: str | None,
        data_dir: Path = Path("data"),
        *,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        salvage: bool = False,
    ) -> None:
        """`url` as SQLAlchemy takes it; None is a SQLite file in `data_dir`. `busy_timeout_s`: how long a writer waits
        for the others. `salvage`: read of a damaged SQLite file what can be read, and write nothing."""
        self._busy_timeout_s = busy_timeout_s
        self._writer = threading.Lock()  # who waits for it holds no connection, which readers need
        self.damage: str | None = None
        try:
            default = sa.URL.create("sqlite", database=str(data_dir / "l2r2.sqlite3"))
            self._url = default if url is None else sa.make_url(url)
            self._sqlite = self._url.get_backend_name() == "sqlite"
            known = {} if self._sqlite else POSTGRES
            self._engine = sa.create_engine(
                self._url, pool_pre_ping=not self._sqlite, connect_args=known, hide_parameters=True
            )
        except (sa.exc.ArgumentError, ImportError) as error:
            raise _unusable(str(error)) from None
        except ValueError:  # its words would repeat a part of the address
            raise _unusable("it is malformed") from None
        if self._sqlite:
            if self._url.database in (None, "", ":memory:"):
                raise _unusable("SQLite needs a file, or everything would be lost at the end")
            sqlite.listen_to(self._engine, busy_timeout_s, salvage=salvage)
        self._changes = None if self.path is None else sqlite.Changes(self.path)

    @property
    def path(self) -> Path | None:
        """SQLite's file."""
        return Path(self._url.database or "") if self._sqlite else None

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the database."""
        with self._translated(), self._engine.connect() as plain:
            connection = plain if self._sqlite else plain.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that no other writer overlaps; committed when the block ends without an error.

        Raises:
            StorageFull, DatabaseUnavailable, DatabaseCorrupt: nothing of it was kept.
        """
        end_s = time.monotonic() + self._busy_timeout_s
        with self._only_writer(), self._translated(), self._engine.connect() as plain:
            waits_ms = max(1, round(1000 * (end_s - time.monotonic())))
            connection = plain.execution_options(**{sqlite.WAITS_MS: waits_ms})
            with connection.begin():
                if not self._sqlite:
                    connection.execute(sa.text(f"SET LOCAL lock_timeout = {waits_ms:d}"))
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITE_LOCK)))
                yield connection

    def mark(self) -> int | None:
        """As `sqlite.Changes.mark`; None of PostgreSQL, where it takes a query, and of what is damaged."""
        return None if self._changes is None or self.damage is not None else self._changes.mark()

    def migrate(self) -> None:
        """Look whether the file is intact, and bring the tables up to date; of several processes starting at once one
        does it and the others wait.

        Raises:
            SettingsError, StorageFull, DatabaseUnavailable, DatabaseCorrupt: each with what is to be done.
        """
        try:
            with self._translated():
                if self.path is not None:
                    self._migrate_sqlite(self.path)
                else:
                    self._migrate_postgres()
        except DatabaseCorrupt as error:
            found = f" ({error.detail})" if error.retry_after_s is None else ""
            raise DatabaseCorrupt(what_to_do(str(self), self.path) + found) from None
        except sa.exc.ProgrammingError:
            raise _unusable("it has options that the driver does not know") from None
        except CommandError as error:
            raise SettingsError(f"{self} was written by another release of the service: {error}") from None

    def check_there(self) -> None:
        """Without changing anything. Raises SettingsError: there is none, or one of another release."""
        if self.path is not None and not self.path.exists():
            raise SettingsError(
                f"there is no database at {self.path}; L2R2_DATA_DIR or L2R2_DATABASE_URL tell where it is"
            )
        with self.reading() as connection:
            tables = tables_of(connection)
        if tables == "unknown":
            raise SettingsError(f"{self} was written by a newer release of the service")
        if tables == "older":
            raise SettingsError(f"{self} has the tables of another release; `l2r2 serve` brings older ones up to date")

    def close(self) -> None:
        if self._changes is not None:
            self._changes.close()
        self._engine.dispose()

    def __str__(self) -> str:
        """Its address, without what may be secret."""
        return self._url.set(query={}).render_as_string(hide_password=True)

    def _migrate_sqlite(self, path: Path) -> None:
        with sqlite.starting(path), self._engine.connect() as connection:
            sqlite.check_intact(connection)
            _upgrade(connection)

    def _migrate_postgres(self) -> None:
        with self._engine.connect() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_lock(_MIGRATION_LOCK)))
            connection.commit()
            try:
                _upgrade(connection)
            finally:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(_MIGRATION_LOCK)))
                connection.commit()

    @contextmanager
    def _only_writer(self) -> Iterator[None]:
        if not self._writer.acquire(timeout=self._busy_timeout_s):
            detail = "other changes have been waiting for the database for long; nothing was changed"
            raise DatabaseUnavailable(detail, retry_after_s=RETRY_AFTER_S)
        try:
            yield
        finally:
            self._writer.release()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            refusal = meaning_of(error)
            if refusal is None:
                raise
            log.warning("the database refused", extra={"code": refusal.code, "reason": str(error)})
            if isinstance(refusal, DatabaseCorrupt):
                self.found_damage()
            raise refusal from None

    def found_damage(self) -> None:
        """Something read makes no sense: the service says so and is not ready any longer."""
        if self.damage is None:
            self.damage = what_to_do(str(self), self.path)
            log.critical("the database is damaged", extra={"detail": self.damage})


def _upgrade(connection: sa.Connection) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()


def _unusable(reason: str) -> SettingsError:
    return SettingsError(
        f"L2R2_DATABASE_URL cannot be used: {reason}; for PostgreSQL install the extra postgres and give "
        "postgresql+psycopg://user:password@host/name"
    )
