"""Whether a file ends before its own structure says that it should."""

import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from service.errors import ImageTooLarge, ImageTruncated, ImageUnreadable
from service.images.exif import first_directory

MOST_PIECES = 50_000  # segments or chunks: the readers take microseconds and hundreds of bytes for each
NO_BLOCK = -1


def check_png(data: bytes) -> None:
    """Walk all chunks: Pillow does not look at the checksums of pixel data.

    Raises ImageTruncated if the file ends before the IEND chunk, ImageUnreadable if a chunk is damaged, ImageTooLarge
    for more than MOST_PIECES chunks.
    """
    view = memoryview(data)
    for number, (name, start, end) in enumerate(png_chunks(data)):
        if number >= MOST_PIECES:
            raise ImageTooLarge(f"The PNG image has more chunks than the {MOST_PIECES} that are allowed.")
        if not (name.isalpha() and name.isascii()):
            raise ImageUnreadable(f"The PNG image is damaged at byte {start - 8}: {name!r} is no chunk name.")
        if end + 4 > len(data):
            break
        if zlib.crc32(view[start - 4 : end]) != _big(data, end, 4):
            raise ImageUnreadable(
                f"The PNG image is damaged: wrong checksum in the {name.decode()} chunk at byte {start - 8}."
            )
        if name == b"IEND":
            return
    raise ImageTruncated(f"The PNG image is cut short: its {len(data)} bytes end before the IEND chunk.")


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's name, and where its body begins and ends, be it beyond the file's end. Raises nothing."""
    at = 8
    while at + 12 <= len(data):
        end = at + 8 + _big(data, at, 4)
        yield data[at + 4 : at + 8], at + 8, end
        at = end + 4


def check_gif(data: bytes) -> None:
    """Raises ImageTooLarge for more than MOST_PIECES frames and extensions."""
    if sum(1 for _ in islice(gif_blocks(data), MOST_PIECES + 1)) > MOST_PIECES:
        raise ImageTooLarge(f"The GIF image has more blocks than the {MOST_PIECES} that are allowed.")


def check_jpeg(data: bytes) -> None:
    """Raises ImageTooLarge for more than MOST_PIECES segments before the first scan."""
    if first_scan(data) < 0:
        raise ImageTooLarge(f"The JPEG image has more segments than the {MOST_PIECES} that are allowed.")


def cut_short(format_name: str, data: bytes) -> bool:
    """Whether the bytes that could not be decoded are the beginning of a longer file. Raises nothing."""
    check = CHECKS.get(format_name)
    return check is not None and check(data)


def _big(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _little(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


def first_scan(data: bytes) -> int:
    """Where a JPEG's first scan (or its end) is marked, behind whatever thumbnails its segments hold; else its length.

    -1 if it is not among the first MOST_PIECES segments. Raises nothing.
    """
    at, pieces = 2, 0
    while 0 <= (at := data.find(b"\xff", at)) < len(data) - 3:
        pieces += 1
        if pieces > MOST_PIECES:
            return -1
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif marker <= 0x01 or 0xD0 <= marker <= 0xD8:  # without a length
            at += 2
        elif marker in (0xD9, 0xDA):
            return at
        else:
            at += 2 + _big(data, at + 2, 2)
    return len(data)


def _jpeg(data: bytes) -> bool:
    return data.find(b"\xff\xd9", first_scan(data)) < 0


def _gif(data: bytes) -> bool:
    return all(label != NO_BLOCK for label, _, _ in gif_blocks(data))


def gif_blocks(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The label (0x2C of a frame, else that of an extension), beginning and end of each block; NO_BLOCK where the
    trailer or garbage comes. Raises nothing."""
    at = 13 + _gif_palette(data, 10)
    while at < len(data):
        start = at
        if data[at] == 0x21:
            label, at = _little(data, at + 1, 1), at + 2
        elif data[at] == 0x2C:
            label, at = 0x2C, at + 11 + _gif_palette(data, at + 9)
        else:
            yield NO_BLOCK, at, at
            return
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
        yield label, start, at


def _gif_palette(data: bytes, at: int) -> int:
    flags = _little(data, at, 1)
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _webp(data: bytes) -> bool:
    return 8 + _little(data, 4, 4) > len(data)


def _bmp(data: bytes) -> bool:
    claimed = _little(data, 2, 4)
    if _little(data, 14, 4) >= 40 and _little(data, 30, 4) in (0, 3):  # uncompressed: the pixels' size is known
        width = int.from_bytes(data[18:22], "little", signed=True)
        height = int.from_bytes(data[22:26], "little", signed=True)
        claimed = max(claimed, _little(data, 10, 4) + (width * _little(data, 28, 2) + 31) // 32 * 4 * abs(height))
    return max(claimed, 26) > len(data)


def _tiff(data: bytes) -> bool:
    return first_directory(data).end > len(data)


def _boxes(data: bytes) -> bool:
    at, pixels = 0, False
    while at + 8 <= len(data):
        size = _big(data, at, 4)
        size = _big(data, at + 8, 8) if size == 1 else size
        if size < 8:  # 0: "to the end of the file", which tells nothing; else garbage
            return False
        pixels = pixels or data[at + 4 : at + 8] == b"mdat"
        at += size
    return at != len(data) or not pixels


CHECKS: Mapping[str, Callable[[bytes], bool]] = {
    "jpeg": _jpeg,
    "gif": _gif,
    "webp": _webp,
    "bmp": _bmp,
    "tiff": _tiff,
    "avif": _boxes,
    "heif": _boxes,
}
