"""Versions of a dataset that stay reachable besides the one that answers, to be compared with and returned to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from service.datasets.build_store import drop_unused
from service.datasets.contents import VersionGone, VersionRow, ensure_version
from service.datasets.database import Database
from service.datasets.records import VersionInfo
from service.datasets.schema import datasets, kept_versions, utc, versions
from service.datasets.spec import DatasetSpec
from service.errors import DatasetBuilding, DatasetConflict, DatasetNotFound, DatasetVersionNotFound

MOST_KEPT = 20  # of one dataset, besides the current one
LEAST_PREFIX = 8  # characters


@dataclass(frozen=True)
class _Reachable:
    """A dataset's versions as one transaction sees them: those with a row, and the two that may have none."""

    current: str | None
    pending: str | None
    updated_at: datetime
    kept: Mapping[str, VersionInfo]

    @property
    def infos(self) -> dict[str, VersionInfo]:
        """The current and the kept ones."""
        if self.current is None or self.current in self.kept:
            return dict(self.kept)
        return {self.current: VersionInfo(self.current, self.updated_at, True, "registered", {}), **self.kept}


class KeptVersions:
    def __init__(self, database: Database) -> None:
        self._database = database

    def infos(self, name: str) -> list[VersionInfo]:
        """The current and the kept versions, newest first. Raises DatasetNotFound."""
        with self._database.reading() as connection:
            found = _reachable(connection, name).infos.values()
        return sorted(found, key=lambda info: (info.created_at, info.version), reverse=True)

    def stands_behind(self, name: str, version: str) -> bool:
        """Whether `version` is kept, and the current one has its texts: it was calibrated from it."""
        current, kept = versions.alias(), versions.alias()
        query = (
            sa.select(kept_versions.c.version)
            .join(datasets, datasets.c.name == kept_versions.c.name)
            .join(kept, kept.c.version == kept_versions.c.version)
            .join(current, current.c.version == datasets.c.current_version)
            .where(kept_versions.c.name == name, kept.c.version == version, kept.c.texts_key == current.c.texts_key)
        )
        with self._database.reading() as connection:
            return connection.scalar(query) is not None

    def resolve(self, name: str, wanted: str) -> str:
        """The one version (current, kept, or being built) that is or starts with `wanted`.

        Raises:
            DatasetNotFound, DatasetVersionNotFound.
        """
        with self._database.reading() as connection:
            found = _reachable(connection, name)
        known = dict.fromkeys([*found.infos, *([found.pending] if found.pending else [])])
        matches = [version for version in known if len(wanted) >= LEAST_PREFIX and version.startswith(wanted)]
        if len(matches) != 1:
            listed = ", ".join(version[:12] for version in known)
            detail = f"{wanted[:64]!r} is not one of the versions of {name!r}, or the first {LEAST_PREFIX} or more "
            raise DatasetVersionNotFound(f"{detail}characters of just one; it has {listed}")
        return matches[0]

    def add(
        self,
        name: str,
        version: VersionRow,
        spec: DatasetSpec,
        *,
        base_version: str,
        note: Mapping[str, Any],
        activate: bool,
    ) -> VersionInfo:
        """Keep `spec`, which was calibrated from `base_version`, and let it answer at once if it is to be activated.

        Raises:
            ValueError: its texts are not those of the base version.
            DatasetNotFound, DatasetVersionNotFound: the base version is not reachable any longer.
            DatasetConflict: other classes have taken the name meanwhile, and it is to be activated.
        """
        with self._database.writing() as connection:
            found = _reachable(connection, name)
            if base_version not in found.infos:
                raise DatasetVersionNotFound(f"version {base_version[:12]} of {name!r} is gone; it was replaced")
            if _texts_key(connection, base_version) != version.texts_key:
                raise ValueError("a further version must have the texts of the one it is made from")
            if activate and _texts_key(connection, found.current) != version.texts_key:
                raise DatasetConflict(f"{name!r} was given other classes meanwhile; nothing was activated")
            if version.version not in found.infos:
                ensure_version(connection, version, spec, {})
                _keep(connection, name, VersionInfo(version.version, datetime.now(UTC), False, "calibrated", note))
            if activate:
                _make_current(connection, name, found, version.version)
            drop_oldest(connection, name, spared={version.version, found.current})
            drop_unused(connection)
            return _reachable(connection, name).infos[version.version]

    def activate(self, name: str, version: str) -> VersionInfo:
        """Let a kept version answer; what answered before is kept, a list that is being built is given up.

        Raises:
            DatasetNotFound, DatasetBuilding.
            VersionGone: it is not reachable any longer.
        """
        with self._database.writing() as connection:
            found = _reachable(connection, name)
            if version not in found.infos and version == found.pending:
                raise DatasetBuilding(f"version {version[:12]} of {name!r} is being built", retry_after_s=5)
            if version not in found.infos:
                raise VersionGone(version)
            _make_current(connection, name, found, version)
            connection.execute(datasets.update().where(datasets.c.name == name).values(pending_version=None))
            drop_oldest(connection, name, spared={found.current})
            drop_unused(connection)
            return _reachable(connection, name).infos[version]


def _reachable(connection: sa.Connection, name: str) -> _Reachable:
    row = connection.execute(sa.select(datasets).where(datasets.c.name == name)).one_or_none()
    if row is None:
        raise DatasetNotFound(f"no dataset is named {name!r}")
    kept = {
        kept.version: VersionInfo(
            kept.version, utc(kept.created_at), kept.version == row.current_version, kept.origin, json.loads(kept.note)
        )
        for kept in connection.execute(sa.select(kept_versions).where(kept_versions.c.name == name))
    }
    return _Reachable(row.current_version, row.pending_version, utc(row.updated_at), kept)


def _texts_key(connection: sa.Connection, version: str | None) -> str | None:
    return connection.scalar(sa.select(versions.c.texts_key).where(versions.c.version == version))


def _keep(connection: sa.Connection, name: str, info: VersionInfo) -> None:
    values = {"version": info.version, "created_at": info.created_at, "origin": info.origin}
    note = json.dumps(info.note, ensure_ascii=False, allow_nan=False)
    connection.execute(kept_versions.insert().values(name=name, note=note, **values))


def _make_current(connection: sa.Connection, name: str, found: _Reachable, version: str) -> None:
    if found.current == version:
        return
    if found.current is not None and found.current not in found.kept:
        _keep(connection, name, found.infos[found.current])
    values = {"current_version": version, "updated_at": datetime.now(UTC)}
    connection.execute(datasets.update().where(datasets.c.name == name).values(**values))


def drop_oldest(connection: sa.Connection, name: str, spared: set[str | None]) -> None:
    """All but so many besides the current one: calibrated versions first, since they can be had again."""
    others = [info for info in _reachable(connection, name).kept.values() if not info.current]
    others.sort(key=lambda info: (info.origin != "calibrated", info.created_at))
    excess = [info.version for info in others if info.version not in spared][: max(0, len(others) - MOST_KEPT)]
    gone = sa.and_(kept_versions.c.name == name, kept_versions.c.version.in_(excess))
    connection.execute(kept_versions.delete().where(gone))
