"""The stored prototypes: one build for each list of texts and encoder, in chunks."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from service.datasets.chunk_rows import stored, vectors_of
from service.datasets.database import Database
from service.datasets.schema import builds, chunks, datasets, exemplars, kept_versions, version_exemplars, versions

Floats = NDArray[np.float32]
log = logging.getLogger(__name__)
CHUNKS_READ = 16  # at a time: all of them together may be as large as what is made of them


@dataclass(frozen=True)
class BuildKey:
    """Prototypes belong to the texts that were embedded and to the encoder that did it."""

    texts_key: str
    encoder_revision: str


@dataclass(frozen=True)
class BuildRow:
    class_count: int
    classes_done: int
    failure: str | None
    lease_until: float  # seconds since 1970

    @property
    def ready(self) -> bool:
        return self.classes_done >= self.class_count


@dataclass(frozen=True)
class Chunk:
    """What is stored of the classes from `first_class` on: `[C, D]`, or `[C, 2 * D]` of a list with pictures."""

    first_class: int
    vectors: Floats


class BuildStore:
    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives seconds since 1970; leases are measured by it."""
        self._database, self.clock = database, clock

    def build(self, key: BuildKey) -> BuildRow | None:
        columns = (builds.c.class_count, builds.c.classes_done, builds.c.failure, builds.c.lease_until)
        with self._database.reading() as connection:
            row = connection.execute(sa.select(*columns).where(_is(builds, key))).one_or_none()
        return BuildRow(**row._mapping) if row else None

    def is_ready(self, key: BuildKey) -> bool:
        row = self.build(key)
        return row is not None and row.ready

    def is_awaited(self, key: BuildKey) -> bool:
        """Whether a dataset is to answer with these texts' prototypes as soon as they are built."""
        waiting = sa.select(datasets.c.name).join(versions, versions.c.version == datasets.c.pending_version)
        with self._database.reading() as connection:
            return connection.scalar(waiting.where(versions.c.texts_key == key.texts_key).limit(1)) is not None

    def begin(self, key: BuildKey, class_count: int) -> None:
        """Record a build that is to be done (a change of encoder, a lost build); a complete one is put to use."""
        with self._database.writing() as connection:
            if ensure_build(connection, key, class_count, None):
                promote(connection, key)

    def forget_failure(self, key: BuildKey) -> None:
        """Let a failed build be tried again."""
        with self._database.writing() as connection:
            forget_failure(connection, key)

    def claim(self, key: BuildKey, owner: str, lease_s: float) -> bool:
        """Take the build for `lease_s` seconds; false where another holds it, or it has failed or is gone."""
        with self._database.writing() as connection:
            now_s = self.clock()
            expired = sa.or_(builds.c.lease_owner.is_(None), builds.c.lease_until < now_s)
            free = sa.and_(expired, builds.c.failure.is_(None))
            values = {"lease_owner": owner, "lease_until": now_s + lease_s}
            return bool(connection.execute(builds.update().where(_is(builds, key), free).values(**values)).rowcount)

    def renew(self, key: BuildKey, owner: str, lease_s: float) -> bool:
        """Hold a claimed build for `lease_s` seconds from now; false where it was given up or taken over."""
        own = sa.and_(_is(builds, key), builds.c.lease_owner == owner)
        with self._database.writing() as connection:
            update = builds.update().where(own).values(lease_until=self.clock() + lease_s)
            return bool(connection.execute(update).rowcount)

    def release(self, key: BuildKey, owner: str, failure: str | None = None) -> None:
        """Give up a lease before its time, with the reason if the build cannot be done."""
        with self._database.writing() as connection:
            own = sa.and_(_is(builds, key), builds.c.lease_owner == owner)
            values = {"lease_owner": None, "lease_until": 0.0, "failure": failure}
            connection.execute(builds.update().where(own).values(**values))

    def chunk_sizes(self, key: BuildKey) -> dict[int, int]:
        """The number of classes of each stored chunk, by its first class."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(chunks.c.first_class, chunks.c.class_count).where(_is(chunks, key)))
            return {row.first_class: row.class_count for row in rows}

    def add_chunk(self, key: BuildKey, chunk: Chunk, owner: str) -> bool:
        """Save a chunk, count it, and let the dataset answer when it was the last one.

        Returns false where the build was given up by all datasets or taken over: its builder stops.
        """
        counted = builds.update().values(classes_done=builds.c.classes_done + len(chunk.vectors))
        with self._database.writing() as connection:
            own = sa.and_(_is(builds, key), builds.c.lease_owner == owner)
            if not connection.execute(counted.where(own)).rowcount:
                return False
            _insert_chunk(connection, key, chunk)
            row = connection.execute(sa.select(builds.c.class_count, builds.c.classes_done).where(own)).one()
            if row.classes_done >= row.class_count:
                promote(connection, key)
        return True

    def rows(self, key: BuildKey) -> Floats | None:
        """What is stored of all classes, `[L, D]` or `[L, 2 * D]`; None while it is not complete. A piece that is not
        what was stored is dropped, and so built again."""
        damaged = []
        with self._database.reading() as connection:
            total = connection.scalar(sa.select(builds.c.class_count).where(_is(builds, key)))
            columns = (chunks.c.first_class, chunks.c.class_count, chunks.c.vectors, chunks.c.sha256)
            query = sa.select(*columns).where(_is(chunks, key)).order_by(chunks.c.first_class)
            rows, done = None, 0
            for row in connection.execute(query.execution_options(yield_per=CHUNKS_READ)):
                part = vectors_of(row)
                if part is None:
                    damaged.append(row.first_class)
                    continue
                rows = np.empty((total or 0, part.shape[1]), np.float32) if rows is None else rows
                if done + len(part) <= len(rows):
                    rows[done : done + len(part)] = part
                done += len(part)
        if damaged:
            self._drop(key, damaged)
        return rows if done == total and not damaged else None

    def _drop(self, key: BuildKey, first_classes: Sequence[int]) -> None:
        log.error("stored prototypes have changed; built again", extra={"texts": key.texts_key, "first": first_classes})
        with self._database.writing() as connection:
            connection.execute(chunks.delete().where(_is(chunks, key), chunks.c.first_class.in_(first_classes)))
            left = sa.select(sa.func.coalesce(sa.func.sum(chunks.c.class_count), 0)).where(_is(chunks, key))
            connection.execute(builds.update().where(_is(builds, key)).values(classes_done=left.scalar_subquery()))


def _is(table: sa.Table, key: BuildKey) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.texts_key == key.texts_key, table.c.encoder_revision == key.encoder_revision)


def ensure_build(connection: sa.Connection, key: BuildKey, class_count: int, built: Floats | None) -> bool:
    """Whether the build is complete; a missing one is inserted, complete if its prototypes are at hand."""
    row = connection.execute(sa.select(builds).where(_is(builds, key))).one_or_none()
    if row is not None and (row.classes_done >= row.class_count or built is None):
        return bool(row.classes_done >= row.class_count)
    if row is not None:
        connection.execute(builds.delete().where(_is(builds, key)))
    values = {"class_count": class_count, "classes_done": 0 if built is None else class_count, "lease_until": 0.0}
    connection.execute(builds.insert().values(texts_key=key.texts_key, encoder_revision=key.encoder_revision, **values))
    if built is not None:
        _insert_chunk(connection, key, Chunk(0, built))
    return built is not None


def forget_failure(connection: sa.Connection, key: BuildKey) -> None:
    connection.execute(builds.update().where(_is(builds, key)).values(failure=None))


def _insert_chunk(connection: sa.Connection, key: BuildKey, chunk: Chunk) -> None:
    values = {"texts_key": key.texts_key, "encoder_revision": key.encoder_revision, "first_class": chunk.first_class}
    connection.execute(chunks.insert().values(**stored(chunk.vectors), **values))


def promote(connection: sa.Connection, key: BuildKey) -> None:
    """Let datasets that waited for these prototypes answer with them."""
    same_texts = sa.select(versions.c.version).where(versions.c.texts_key == key.texts_key)
    values = {"current_version": datasets.c.pending_version, "pending_version": None, "updated_at": datetime.now(UTC)}
    connection.execute(datasets.update().where(datasets.c.pending_version.in_(same_texts)).values(**values))
    drop_unused(connection)


def drop_unused(connection: sa.Connection) -> None:
    """Versions that no dataset has, and pictures and prototypes of texts that no version has."""
    used: Sequence[sa.ColumnElement[bool]] = [
        ~sa.exists().where(column == versions.c.version)
        for column in (datasets.c.current_version, datasets.c.pending_version, kept_versions.c.version)
    ]
    connection.execute(versions.delete().where(*used))
    connection.execute(builds.delete().where(~sa.exists().where(versions.c.texts_key == builds.c.texts_key)))
    connection.execute(exemplars.delete().where(~sa.exists().where(version_exemplars.c.sha256 == exemplars.c.sha256)))
