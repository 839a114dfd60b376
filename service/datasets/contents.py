"""What versions hold: the spec and the example pictures. Kept by content, and dropped with the last who has them."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa

from service.datasets.database import Database
from service.datasets.fingerprints import from_json, to_json, version_of
from service.datasets.schema import exemplars, version_exemplars, versions
from service.datasets.spec import DatasetSpec
from service.errors import DatabaseCorrupt, FieldProblem, InvalidFields, ServiceError

MOST_TRIES = 30  # each lost against another replacement that came between two reads
Found = TypeVar("Found")


class VersionGone(Exception):
    """The version was replaced or deleted since its name was read: read again."""


@dataclass(frozen=True)
class VersionRow:
    version: str
    texts_key: str
    class_count: int


class ContentStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def settled(self, read: Callable[[], Found]) -> Found:
        """Reads anew where a version was replaced meanwhile. Raises DatabaseCorrupt, where it is never there."""
        for _ in range(MOST_TRIES):
            with suppress(VersionGone):
                return read()
        raise self._damaged("a dataset")

    def texts_key(self, version: str) -> tuple[str, bool]:
        """The key, and whether the list has example pictures. Raises VersionGone."""
        pictured = sa.exists().where(version_exemplars.c.version == versions.c.version)
        with self._database.reading() as connection:
            query = sa.select(versions.c.texts_key, pictured).where(versions.c.version == version)
            row = connection.execute(query).one_or_none()
        if row is None:
            raise VersionGone(version)
        return str(row[0]), bool(row[1])

    def spec(self, version: str) -> DatasetSpec:
        """Raises VersionGone."""
        with self._database.reading() as connection:
            text = connection.scalar(sa.select(versions.c.spec).where(versions.c.version == version))
        if text is None:
            raise VersionGone(version)
        return self._parsed(text, version)

    def spec_of_texts(self, texts_key: str) -> DatasetSpec | None:
        """Any version's content that has these texts; None where no dataset has them any longer."""
        with self._database.reading() as connection:
            query = sa.select(versions.c.spec, versions.c.version).where(versions.c.texts_key == texts_key)
            row = connection.execute(query.order_by(versions.c.version).limit(1)).one_or_none()
        return None if row is None else self._parsed(row.spec, row.version)

    def exemplar(self, sha256: str) -> bytes:
        """Raises VersionGone: no version has the picture any longer."""
        with self._database.reading() as connection:
            data = connection.scalar(sa.select(exemplars.c.data).where(exemplars.c.sha256 == sha256))
        if data is None:
            raise VersionGone(f"picture {sha256}")
        if hashlib.sha256(data).hexdigest() != sha256:
            raise self._damaged(f"picture {sha256}")
        return bytes(data)

    def check_exemplars(self, spec: DatasetSpec, given: Collection[str]) -> None:
        """Raises InvalidFields for each picture that is neither given nor stored."""
        with self._database.reading() as connection:
            _missing_exemplars(connection, spec, given)

    def _parsed(self, text: str, version: str) -> DatasetSpec:
        """What was damaged is not answered with. Raises DatabaseCorrupt."""
        try:
            spec = from_json(text)
        except (ValueError, ServiceError):  # of pydantic, of the content's own checks
            raise self._damaged(f"version {version}") from None
        if version_of(spec) != version:
            raise self._damaged(f"version {version}")
        return spec

    def _damaged(self, what: str) -> DatabaseCorrupt:
        self._database.found_damage()
        return DatabaseCorrupt(f"{what} is not what was stored; the log tells what to do", retry_after_s=60)


def ensure_version(
    connection: sa.Connection, version: VersionRow, spec: DatasetSpec, pictures: Mapping[str, bytes]
) -> None:
    """Store the content with its pictures, by SHA-256, unless it is there.

    Raises:
        InvalidFields: a picture is neither given nor stored.
    """
    if connection.scalar(sa.select(versions.c.version).where(versions.c.version == version.version)) is not None:
        return
    connection.execute(versions.insert().values(**vars(version), spec=to_json(spec)))
    missing = _missing_exemplars(connection, spec, pictures)
    if missing:
        connection.execute(exemplars.insert(), [{"sha256": sha256, "data": pictures[sha256]} for sha256 in missing])
    used = sorted(_digests(spec))
    if used:
        links = [{"version": version.version, "sha256": sha256} for sha256 in used]
        connection.execute(version_exemplars.insert(), links)


def _digests(spec: DatasetSpec) -> set[str]:
    return {sha256 for entry in spec.classes for sha256 in entry.pictures}


def _missing_exemplars(connection: sa.Connection, spec: DatasetSpec, given: Collection[str]) -> list[str]:
    """Digests of the spec that are not stored. Raises InvalidFields for those that are not given either."""
    wanted = sorted(_digests(spec))
    stored = set(connection.scalars(sa.select(exemplars.c.sha256).where(exemplars.c.sha256.in_(wanted))))
    unknown = set(wanted) - stored - set(given)
    if unknown:
        problems = [
            FieldProblem(f"classes[{place}].images[{number}]", f"no picture of SHA-256 {sha256} is stored; send it")
            for place, entry in enumerate(spec.classes)
            for number, sha256 in enumerate(entry.pictures)
            if sha256 in unknown
        ]
        raise InvalidFields(*problems[:50])
    return [sha256 for sha256 in wanted if sha256 not in stored]
