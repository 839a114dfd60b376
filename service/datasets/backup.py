"""Backups out of the database and into it; of a damaged one, what can be read. Prototypes are left out: they are built
anew, by whatever encoder is there then."""

import base64
import json
from collections.abc import Iterator
from contextlib import suppress

import sqlalchemy as sa

from service.datasets.build_store import drop_unused
from service.datasets.contents import MOST_TRIES, ContentStore, VersionGone, ensure_version
from service.datasets.database import Database
from service.datasets.fingerprints import to_json
from service.datasets.kept import drop_oldest
from service.datasets.saved import (
    HEADER,
    Restorable,
    SavedDataset,
    SavedEnd,
    SavedKept,
    SavedVersion,
)
from service.datasets.schema import datasets, kept_versions, utc
from service.datasets.spec import DatasetSpec
from service.errors import DatabaseCorrupt, DatasetConflict


class Backup:
    """`unreadable`: what was damaged, in words."""

    def __init__(self, database: Database) -> None:
        self._database, self._contents = database, ContentStore(database)
        self.unreadable: list[str] = []
        self.count = 0

    def lines(self) -> Iterator[str]:
        """The whole backup, without line ends. Each dataset is read as it is at one moment.

        Raises:
            SettingsError: there is no database.
            DatabaseUnavailable.
        """
        try:
            self._database.check_there()
        except DatabaseCorrupt:
            self.unreadable.append("which release wrote it")
        yield json.dumps(HEADER)
        for name in self._names():
            try:
                yield from self._dataset(name)
            except DatabaseCorrupt:
                self.unreadable.append(f"the dataset {name}")
        yield SavedEnd(datasets=self.count, unreadable=self.unreadable).model_dump_json()

    def _names(self) -> list[str]:
        """From both ends of the index, then from the table itself, until one way can be read to its end."""
        index = sa.select(datasets.c.name).order_by(datasets.c.name)
        backwards = sa.select(datasets.c.name).order_by(datasets.c.name.desc())
        names: dict[str, None] = {}
        for query in (index, backwards, sa.select(datasets.c.name, datasets.c.created_at)):
            with suppress(DatabaseCorrupt), self._database.reading() as connection:
                for name in connection.scalars(query.execution_options(yield_per=1)):
                    names.setdefault(name)
                return list(names)
        self.unreadable.append("the list of datasets, in part")
        return list(names)

    def _dataset(self, name: str) -> Iterator[str]:
        """Its lines; none where it was deleted. Raises DatabaseCorrupt."""
        sent: set[str] = set()
        for _ in range(MOST_TRIES):
            with suppress(VersionGone):  # it was replaced meanwhile: read again
                yield from self._once(name, sent)
                return
        raise DatabaseCorrupt(name)

    def _once(self, name: str, sent: set[str]) -> Iterator[str]:
        with self._database.reading() as connection:
            row = connection.execute(sa.select(datasets).where(datasets.c.name == name)).one_or_none()
            rows = connection.execute(sa.select(kept_versions).where(kept_versions.c.name == name)).all()
        if row is None:
            return
        kept = {
            entry.version: SavedKept(created_at=utc(entry.created_at), origin=entry.origin, note=json.loads(entry.note))
            for entry in sorted(rows, key=lambda entry: entry.created_at, reverse=True)
        }
        found: dict[str, SavedVersion] = {}
        for version in dict.fromkeys(filter(None, (row.current_version, row.pending_version, *kept))):
            try:
                spec = self._contents.spec(version)
                yield from self._pictures(spec, sent)
            except DatabaseCorrupt:
                self.unreadable.append(f"version {version[:12]} of the dataset {name}")
            else:
                content = json.loads(to_json(spec))
                found[version] = SavedVersion(version=version, content=content, kept=kept.get(version))
        if not found:
            raise DatabaseCorrupt(name)
        current, pending = (version if version in found else None for version in row[1:3])
        if current is None and pending is None:
            current = next(iter(found))  # the newest that is left
        times = {"created_at": utc(row.created_at), "updated_at": utc(row.updated_at)}
        saved = SavedDataset(dataset=name, current=current, pending=pending, versions=[*found.values()], **times)
        self.count += 1
        yield saved.model_dump_json()

    def _pictures(self, spec: DatasetSpec, sent: set[str]) -> Iterator[str]:
        for sha256 in {sha256 for entry in spec.classes for sha256 in entry.pictures} - sent:
            data = base64.b64encode(self._contents.exemplar(sha256)).decode()
            yield json.dumps({"picture": sha256, "data": data})
            sent.add(sha256)


def restore(database: Database, found: Restorable, *, replace: bool) -> bool:
    """Make the dataset what it was, in one transaction; its prototypes are built at the next start, or when it is asked
    for. Kept versions that a dataset of the same content lacks are added. Returns whether anything was changed.

    Raises:
        DatasetConflict: the name has other content and `replace` is false.
        InvalidFields: a picture is neither in the backup nor stored.
    """
    saved, states = found.saved, {"current_version": found.saved.current, "pending_version": found.saved.pending}
    name = saved.dataset
    with database.writing() as connection:
        row = connection.execute(sa.select(datasets).where(datasets.c.name == name)).one_or_none()
        same = row is not None and {key: row._mapping[key] for key in states} == states
        if row is not None and not same and not replace:
            raise DatasetConflict(f"{name!r} has other content; --replace puts the backup in its place")
        versions_of = sa.select(kept_versions.c.version).where(kept_versions.c.name == name)
        there = set(connection.scalars(versions_of)) if same else set()
        missing = [entry for entry in saved.versions if entry.kept is not None and entry.version not in there]
        if same and not missing:
            return False
        for version, spec in found.contents.values():
            ensure_version(connection, version, spec, found.pictures)
        if not same:
            connection.execute(datasets.delete().where(datasets.c.name == name))
            times = {"created_at": saved.created_at, "updated_at": saved.updated_at}
            connection.execute(datasets.insert().values(name=name, **times, **states))
        _keep(connection, name, missing)
        drop_oldest(connection, name, spared={saved.current})
        drop_unused(connection)
    return True


def _keep(connection: sa.Connection, name: str, entries: list[SavedVersion]) -> None:
    rows = [
        {"name": name, "version": entry.version, **vars(entry.kept), "note": json.dumps(entry.kept.note)}
        for entry in entries
        if entry.kept is not None
    ]
    if rows:
        connection.execute(kept_versions.insert(), rows)
