"""Datasets and their versions in the database. Each writing method is one transaction, committed when it returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from service.datasets.build_store import BuildKey, drop_unused, ensure_build, forget_failure, promote
from service.datasets.contents import ContentStore, VersionRow, ensure_version
from service.datasets.database import Database
from service.datasets.kept import KeptVersions
from service.datasets.records import DatasetInfo
from service.datasets.schema import builds, datasets, utc, versions
from service.datasets.spec import DatasetSpec
from service.errors import DatasetConflict, DatasetNotFound

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class DatasetRow:
    name: str
    current_version: str | None
    pending_version: str | None


class DatasetStore:
    def __init__(self, database: Database) -> None:
        self._database = database
        self.contents = ContentStore(database)
        self.kept = KeptVersions(database)

    def mark(self) -> int | None:
        """As `Database.mark`."""
        return self._database.mark()

    def find(self, name: str) -> DatasetRow | None:
        with self._database.reading() as connection:
            row = connection.execute(sa.select(datasets).where(datasets.c.name == name)).one_or_none()
        return _dataset_row(row) if row else None

    def infos(self, encoder_revisions: Sequence[str], name: str | None = None) -> list[DatasetInfo]:
        """All datasets, or the one of that name, with the state of their prototypes, in one query."""
        with self._database.reading() as connection:
            return _infos(connection, encoder_revisions, name)

    def save(
        self,
        name: str,
        version: VersionRow,
        spec: DatasetSpec,
        key: BuildKey,
        *,
        replace: bool,
        built: Floats | None,
        pictures: Mapping[str, bytes],
    ) -> tuple[DatasetInfo, bool]:
        """Make `version` the dataset's content: at once where it is `built` or was before, else when its build ends.

        Returns what is known of the dataset then, and whether it is new.

        Raises:
            DatasetConflict: the name is taken by other content and `replace` is false.
            InvalidFields: a picture of the spec is neither stored nor among `pictures`, which are by SHA-256.
        """
        now = datetime.now(UTC)
        with self._database.writing() as connection:
            row = connection.execute(sa.select(datasets).where(datasets.c.name == name)).one_or_none()
            if row is not None and not replace and version.version not in (row.current_version, row.pending_version):
                raise DatasetConflict(f"{name!r} exists with other content; PUT /datasets/{name} replaces it")
            ensure_version(connection, version, spec, pictures)
            ready = ensure_build(connection, key, version.class_count, built)
            forget_failure(connection, key)
            states = {"current_version": version.version, "pending_version": None}
            if not ready:
                states = {"pending_version": version.version} | ({} if row else {"current_version": None})
            if row is None:
                connection.execute(datasets.insert().values(name=name, created_at=now, updated_at=now, **states))
            else:
                connection.execute(datasets.update().where(datasets.c.name == name).values(updated_at=now, **states))
            if ready:
                promote(connection, key)  # others may have waited for the same texts
            drop_unused(connection)
            return _infos(connection, [key.encoder_revision], name)[0], row is None

    def delete(self, name: str) -> None:
        """Raises DatasetNotFound."""
        with self._database.writing() as connection:
            gone = connection.execute(datasets.delete().where(datasets.c.name == name)).rowcount
            if not gone:
                raise DatasetNotFound(f"no dataset is named {name!r}")
            drop_unused(connection)


def _infos(connection: sa.Connection, encoder_revisions: Sequence[str], name: str | None) -> list[DatasetInfo]:
    newest = sa.func.coalesce(datasets.c.pending_version, datasets.c.current_version)
    # Of the two revisions a list of names is built under one, a list with pictures under the other.
    built = sa.and_(builds.c.texts_key == versions.c.texts_key, builds.c.encoder_revision.in_(encoder_revisions))
    columns = (datasets, versions.c.class_count, builds.c.classes_done, builds.c.failure)
    query = sa.select(*columns).join(versions, versions.c.version == newest).join(builds, built, isouter=True)
    if name is not None:
        query = query.where(datasets.c.name == name)
    return [
        DatasetInfo(
            name=row.name,
            version=row.current_version,
            building=row.pending_version,
            class_count=row.class_count,
            classes_done=row.classes_done or 0,
            failure=row.failure,
            created_at=utc(row.created_at),
            updated_at=utc(row.updated_at),
        )
        for row in connection.execute(query.order_by(datasets.c.name))
    ]


def _dataset_row(row: sa.Row[Any]) -> DatasetRow:
    return DatasetRow(row.name, row.current_version, row.pending_version)
