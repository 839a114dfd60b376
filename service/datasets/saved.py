"""What a backup holds: lines of JSON, each an object. A dataset's pictures come before it, so that each needs only what
was read since the last one."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Base64Bytes, BaseModel, ConfigDict, ValidationError

from service.datasets.contents import VersionRow
from service.datasets.fingerprints import from_json, texts_key_of, version_of
from service.datasets.records import Origin
from service.datasets.spec import DatasetSpec, check_dataset_name
from service.errors import FileUnreadable, ServiceError

FORMAT = 1
HEADER = {"backup": "l2r2", "format": FORMAT}


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SavedPicture(_Line):
    picture: str  # SHA-256
    data: Base64Bytes


class SavedKept(_Line):
    created_at: datetime
    origin: Origin
    note: dict[str, Any]


class SavedVersion(_Line):
    """`kept` is null where the dataset has it only because it is, or will be, what answers."""

    version: str
    content: dict[str, Any]
    kept: SavedKept | None


class SavedDataset(_Line):
    dataset: str
    created_at: datetime
    updated_at: datetime
    current: str | None
    pending: str | None
    versions: list[SavedVersion]


class SavedEnd(_Line):
    """The last line, without which a backup was cut short."""

    datasets: int
    unreadable: list[str]


@dataclass(frozen=True)
class Restorable:
    """A dataset that was checked: its contents have the fingerprints that were recorded. `pictures` are by SHA-256."""

    saved: SavedDataset
    contents: Mapping[str, tuple[VersionRow, DatasetSpec]]
    pictures: Mapping[str, bytes]


def restorable(lines: Iterable[str]) -> Iterator[Restorable]:
    """The datasets of a backup, one after the other.

    Raises:
        FileUnreadable: the line that is not what it must be, or the missing end; what came before it is sound.
    """
    numbered = enumerate(lines, 1)
    if _parsed(1, next(numbered, (1, ""))[1]) != HEADER:
        raise FileUnreadable(f"not a backup of `l2r2 datasets export` in format {FORMAT}")
    pictures: dict[str, bytes] = {}
    for number, line in numbered:
        found = _line(number, _parsed(number, line))
        match found:
            case SavedEnd():
                return
            case SavedPicture():
                if hashlib.sha256(found.data).hexdigest() != found.picture:
                    raise FileUnreadable(f"line {number}: picture {found.picture} is not what was saved")
                pictures[found.picture] = found.data
            case SavedDataset():
                yield Restorable(found, _contents(number, found), pictures)
                pictures = {}
    raise FileUnreadable("the backup was cut short: it has no last line")


def _parsed(number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise FileUnreadable(f"line {number} is not JSON; the backup was cut short or is damaged") from None


def _line(number: int, document: Any) -> SavedPicture | SavedDataset | SavedEnd:
    names = set(document) if isinstance(document, dict) else set()
    kind = SavedPicture if "picture" in names else SavedDataset if "dataset" in names else SavedEnd
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise FileUnreadable(f"line {number}: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from None


def _contents(number: int, saved: SavedDataset) -> dict[str, tuple[VersionRow, DatasetSpec]]:
    found = {}
    try:
        check_dataset_name(saved.dataset)
        for entry in saved.versions:
            spec = from_json(json.dumps(entry.content))
            found[entry.version] = VersionRow(version_of(spec), texts_key_of(spec), len(spec.classes)), spec
    except (ValueError, ServiceError) as error:
        raise FileUnreadable(f"line {number}: {saved.dataset!r}: {error}") from None
    answering = {version for version in (saved.current, saved.pending) if version is not None}
    sound = all(row.version == version for version, (row, _) in found.items())
    if not sound or not answering or not answering <= set(found):
        raise FileUnreadable(f"line {number}: {saved.dataset!r} is not what was saved")
    return found
