"""Is this file the one that was recorded? sha256 of files, and the memory of what was hashed already."""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from service.models.catalog import safe_name
from service.models.weights.files import write_json

_SHA256 = re.compile(r"[0-9a-f]{64}")
State = Literal["present", "missing", "mismatch"]


@dataclass(frozen=True)
class ExpectedFile:
    """A file by its name in the model's folder, and what it must be."""

    name: str
    sha256: str
    size_bytes: int

    def __post_init__(self) -> None:
        safe_name(self.name)
        if not isinstance(self.sha256, str) or not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"{self.name}: not a sha256: {self.sha256!r}")
        if not isinstance(self.size_bytes, int) or self.size_bytes < 0:
            raise ValueError(f"{self.name}: not a size in bytes: {self.size_bytes!r}")


@dataclass(frozen=True)
class FileCheck:
    """What was found. `found_sha256` is None where nothing was hashed: no such file, or already its size is wrong."""

    expected: ExpectedFile
    state: State
    found_sha256: str | None = None
    found_size_bytes: int | None = None

    def difference(self) -> str:
        if self.found_sha256 is not None:
            return f"expected sha256 {self.expected.sha256}, found {self.found_sha256}"
        return f"expected {self.expected.size_bytes} bytes, found {self.found_size_bytes}"


@dataclass
class Memory:
    """Which files were hashed, by size, modification time (ns) and inode: gigabytes need not be read at every start.

    It notices every accident (a cut, replaced or restored file), but not somebody who may write to the cache and sets
    a file's clock back: against that there is `WeightsStore.verify`, which trusts no memory. It is lost without harm.
    """

    path: Path
    _known: dict[str, list[int | str]] = field(default_factory=dict)
    _changed: bool = False

    @classmethod
    def read(cls, path: Path) -> "Memory":
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        return cls(path, known if isinstance(known, dict) else {})

    def holds(self, expected: ExpectedFile, found: os.stat_result) -> bool:
        return self._known.get(expected.name) == _trace(expected, found)

    def add(self, expected: ExpectedFile, found: os.stat_result) -> None:
        self._known[expected.name] = _trace(expected, found)
        self._changed = True

    def save(self) -> None:
        if self._changed:
            with contextlib.suppress(OSError):  # a cache mounted read-only works, it is only hashed each time
                write_json(self.path, self._known)


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def git_blob_sha1(path: Path) -> str:
    """The name git gives to this content; hubs list it for files that are not in LFS."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    digest.update(path.read_bytes())
    return digest.hexdigest()


def check_file(folder: Path, expected: ExpectedFile, memory: Memory | None = None) -> FileCheck:
    """Compare size and sha256; a file that the memory holds is not read again. Raises: OSError if it cannot be read."""
    path = folder / expected.name
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return FileCheck(expected, "missing")
    if found.st_size != expected.size_bytes:
        return FileCheck(expected, "mismatch", found_size_bytes=found.st_size)
    if memory is not None and memory.holds(expected, found):
        return FileCheck(expected, "present", expected.sha256, found.st_size)
    sha256 = sha256_of(path)
    if sha256 != expected.sha256:
        return FileCheck(expected, "mismatch", sha256, found.st_size)
    if memory is not None:
        memory.add(expected, found)
    return FileCheck(expected, "present", sha256, found.st_size)


def check_files(folder: Path, files: Iterable[ExpectedFile], memory: Memory | None = None) -> list[FileCheck]:
    checks = [check_file(folder, expected, memory) for expected in files]
    if memory is not None:
        memory.save()
    return checks


def _trace(expected: ExpectedFile, found: os.stat_result) -> list[int | str]:
    return [expected.sha256, found.st_size, found.st_mtime_ns, found.st_ino]
