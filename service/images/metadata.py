"""How much a file holds besides its pixels: EXIF, colour profiles, XMP, comments and other texts.

Readers copy and unpack all of it before the first pixel, and nearly none of it is of use.
"""

from collections.abc import Callable, Mapping

from service.errors import ImageTooLarge
from service.images.evidence import first_scan, gif_blocks
from service.images.exif import metadata_bytes

FRAMES = {b"acTL", b"fcTL", b"fdAT"}  # of an animated PNG
WEBP_METADATA = {b"ICCP", b"EXIF", b"XMP "}
GIF_TEXTS = {0x01, 0xFE, 0xFF}  # labels of what is written on it, said about it, and what applications keep


def check_stored(name: str, data: bytes, max_bytes: int) -> None:
    """By the file's own structure, before any reader sees it. Raises ImageTooLarge."""
    count = STORED.get(name)
    if count is not None:
        _check(name, count(data), max_bytes)


def check_unpacked(name: str, info: Mapping[str | tuple[int, int], object], max_bytes: int) -> None:
    """By what a reader put beside the pixels. Raises ImageTooLarge."""
    _check(name, sum(len(value) for value in info.values() if isinstance(value, bytes | str)), max_bytes)


def _check(name: str, found_bytes: int, max_bytes: int) -> None:
    if found_bytes > max_bytes:
        raise ImageTooLarge(
            f"The {name.upper()} image has {found_bytes} bytes of metadata (EXIF, ICC, XMP, texts); "
            f"at most {max_bytes} are allowed."
        )


def _jpeg(data: bytes) -> int:
    """All segments of applications, and comments, up to the pixels."""
    total, at, end = 0, 2, first_scan(data)
    while 0 <= (at := data.find(b"\xff", at, end)) < end - 3:
        marker = data[at + 1]
        if marker == 0xFF or marker <= 0x01 or 0xD0 <= marker <= 0xD8:  # padding, or without a length
            at += 1 if marker == 0xFF else 2
            continue
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xE0 <= marker <= 0xEF or marker == 0xFE:
            total += size
        at += 2 + size
    return total


def _png(data: bytes) -> int:
    """All chunks that a reader may pass over (a small letter first), wherever they lie, but for further frames."""
    total, at, name = 0, 8, b""
    while at + 12 <= len(data) and name != b"IEND":
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if name[0] & 0x20 and name not in FRAMES:
            total += size
        at += 12 + size
    return total


def _webp(data: bytes) -> int:
    total, at, end = 0, 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while at + 8 <= end:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] in WEBP_METADATA:
            total += min(size, end - at - 8)
        at += 8 + size + size % 2
    return total


def _gif(data: bytes) -> int:
    return sum(end - start for label, start, end in gif_blocks(data) if label in GIF_TEXTS)


STORED: Mapping[str, Callable[[bytes], int]] = {
    "jpeg": _jpeg,
    "png": _png,
    "webp": _webp,
    "gif": _gif,
    "tiff": metadata_bytes,
}
