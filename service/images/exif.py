"""The first directory of a TIFF structure, which EXIF is too.

Pillow's own reader warns or raises on what phones and editors leave behind; this one takes what is there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ORIENTATION = 274
STRIPS = (273, 279)  # offsets, byte counts
TILES = (324, 325)
KEPT = {ORIENTATION, *STRIPS, *TILES}  # others are not read: each of thousands may claim to be the whole file
INTEGER_BYTES = {3: 2, 4: 4, 16: 8}  # SHORT, LONG, LONG8
NOTHING = np.empty(0)
VALUE_BYTES = {1: 1, 2: 1, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 17: 8, 18: 8} | INTEGER_BYTES


@dataclass(frozen=True)
class Directory:
    """Those tags of a TIFF directory that are KEPT, each where it is given first; and where the last of what it refers
    to ends, pixels included."""

    tags: Mapping[int, NDArray[np.float64]]
    end: int


def first_directory(data: bytes) -> Directory:
    """Read the first directory of TIFF or BigTIFF bytes; damaged ones give what could be read. Raises nothing."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], order)

    big = number(2, 2) == 43
    word, entry_bytes = (8, 20) if big else (4, 12)
    start = number(8, 8) if big else number(4, 4)
    first = start + (8 if big else 2)
    count = number(start, 8 if big else 2)
    tags: dict[int, NDArray[np.float64]] = {}
    end = first + count * entry_bytes
    for at in range(first, min(end, len(data) - entry_bytes + 1), entry_bytes):
        tag, kind, values = number(at, 2), number(at + 2, 2), number(at + 4, word)
        total = values * VALUE_BYTES.get(kind, 1)
        where = at + 4 + word if total <= word else number(at + 4 + word, word)
        end = max(end, where + total)
        size = INTEGER_BYTES.get(kind)
        if size and tag in KEPT and tag not in tags and where + total <= len(data):
            numbers = np.frombuffer(data, f"{'<' if order == 'little' else '>'}u{size}", values, where)
            tags[tag] = numbers.astype(np.float64)  # of LONG8, sums could be too large for whole numbers
    for offsets, counts in (STRIPS, TILES):
        starts, lengths = tags.get(offsets, NOTHING), tags.get(counts, NOTHING)
        both = min(len(starts), len(lengths))
        end = max(end, int((starts[:both] + lengths[:both]).max(initial=0)))
    return Directory(tags, end)


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
