"""The first directory of a TIFF structure, which EXIF is too.

Pillow's own reader warns or raises on what phones and editors leave behind; this one takes what is there.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

ORIENTATION = 274
STRIPS = (273, 279)  # offsets, byte counts
TILES = (324, 325)
LAYOUT = frozenset({*STRIPS, *TILES})
SUBDIRECTORIES = (34665, 34853)  # EXIF, GPS
WANTED = LAYOUT | {ORIENTATION}
INTEGER_BYTES = {3: 2, 4: 4, 16: 8}  # SHORT, LONG, LONG8
NOTHING = np.empty(0)
VALUE_BYTES = {1: 1, 2: 1, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 17: 8, 18: 8} | INTEGER_BYTES


@dataclass(frozen=True)
class Directory:
    """Those tags of a TIFF directory that are WANTED, each where it is given first; and where the last of what it
    refers to ends, pixels included."""

    tags: Mapping[int, NDArray[np.float64]]
    end: int


class _Entry(NamedTuple):
    tag: int
    kind: int
    where: int  # of its values
    total: int  # bytes of them


class _Reader:
    """TIFF or BigTIFF bytes in their order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
        big = self.number(2, 2) == 43
        self._word, self._entry_bytes, self._count_bytes = (8, 20, 8) if big else (4, 12, 2)

    def number(self, at: int, size: int) -> int:
        return int.from_bytes(self._data[at : at + size], self._order)

    @property
    def sign(self) -> str:
        """As numpy names the order."""
        return "<" if self._order == "little" else ">"

    @property
    def first(self) -> int:
        return self.number(self._word, self._word)

    def end(self, start: int) -> int:
        return start + self._count_bytes + self.number(start, self._count_bytes) * self._entry_bytes

    def entries(self, start: int) -> Iterator[_Entry]:
        """Those of the directory at `start` that the data holds."""
        last = min(self.end(start), len(self._data) - self._entry_bytes + 1)
        for at in range(start + self._count_bytes, last, self._entry_bytes):
            kind, values = self.number(at + 2, 2), self.number(at + 4, self._word)
            total = values * VALUE_BYTES.get(kind, 1)
            inside = at + 4 + self._word
            where = inside if total <= self._word else self.number(inside, self._word)
            yield _Entry(self.number(at, 2), kind, where, total)


def first_directory(data: bytes) -> Directory:
    """Read the first directory of TIFF or BigTIFF bytes; damaged ones give what could be read. Raises nothing."""
    reader = _Reader(data)
    tags: dict[int, NDArray[np.float64]] = {}
    end = reader.end(reader.first)
    for tag, kind, where, total in reader.entries(reader.first):
        end = max(end, where + total)
        size = INTEGER_BYTES.get(kind)
        # Only what is asked for: thousands of tags may share the same long values
        if size and tag in WANTED and tag not in tags and where + total <= len(data):
            numbers = np.frombuffer(data, f"{reader.sign}u{size}", total // size, where)
            tags[tag] = numbers.astype(np.float64)  # of LONG8, sums could be too large for whole numbers
    for offsets, counts in (STRIPS, TILES):
        starts, lengths = tags.get(offsets, NOTHING), tags.get(counts, NOTHING)
        both = min(len(starts), len(lengths))
        end = max(end, int((starts[:both] + lengths[:both]).max(initial=0)))
    return Directory(tags, end)


def metadata_bytes(data: bytes) -> int:
    """How much the first directory of TIFF bytes, and its own ones of EXIF and GPS, refer to besides the pixels'
    places; what would end behind the data does not count. Raises nothing."""
    reader = _Reader(data)
    starts = [reader.first]
    starts += [
        reader.number(entry.where, INTEGER_BYTES[entry.kind])
        for entry in reader.entries(reader.first)
        if entry.tag in SUBDIRECTORIES and entry.kind in INTEGER_BYTES
    ][: len(SUBDIRECTORIES)]
    entries = (entry for start in starts for entry in reader.entries(start))
    held = (entry for entry in entries if entry.where + entry.total <= len(data) and entry.tag not in LAYOUT)
    return sum(entry.total for entry in held)


def orientation(info: Mapping[str | tuple[int, int], object]) -> int:
    """The EXIF orientation, 1 to 8, from what Pillow found beside the pixels; 1 where it is missing or damaged."""
    exif = info.get("exif")
    if exif is None:
        exif = _from_text(info.get("Raw profile type exif"))
    if not isinstance(exif, bytes):
        return 1
    exif = exif.removeprefix(b"Exif\0\0")
    if exif[:4] not in (b"II*\0", b"MM\0*"):
        return 1
    values = first_directory(exif).tags.get(ORIENTATION, NOTHING)
    return int(values[0]) if values.size and 1 <= values[0] <= 8 else 1


def _from_text(text: object) -> bytes | None:
    # ImageMagick's way into PNG: a line "exif", a line with the length, then lines of hexadecimal digits
    digits = re.fullmatch(r"\s*exif\s+\d+\s+((?:[0-9a-fA-F]{2}|\s)+)", text) if isinstance(text, str) else None
    return bytes.fromhex(digits[1]) if digits else None
