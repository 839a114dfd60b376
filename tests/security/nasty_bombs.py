"""Small files that would be large, and large ones that hold little."""

import struct
import zlib
from collections.abc import Iterator
from functools import partial
from itertools import chain

import numpy as np
from images.image_files import exif, png, png_chunk, tiff
from nasty_rows import (
    CELLS,
    HEIGHT,
    PICTURE,
    RGB,
    TOO_MANY_PIXELS,
    WIDTH,
    Array,
    Nasty,
    Refused,
    Shown,
    damaged,
    jpeg_segment,
    patched,
    saved,
    with_segment,
    written,
)
from PIL import Image

from service.errors import ImageTooLarge

CLOSE = Shown(tolerance=6)
MEGABYTE = 2**20
LARGE = 20 * MEGABYTE
TURNED = Shown(np.ascontiguousarray(np.rot90(CELLS, -1)), HEIGHT, WIDTH, 6)  # orientation 6


def bomb_rows() -> Iterator[Nasty]:
    yield from chain(_pixels(), _texts(), _exif(), _sizes(), _scans())


def _pixels() -> Iterator[Nasty]:
    yield Nasty("PNG bomb by its header", lambda: png(60_000, 60_000, 8, 2, [b""]), TOO_MANY_PIXELS)
    yield Nasty("PNG bomb of zeros", lambda: png(12_000, 12_000, 1, 0, [bytes(1500)] * 12_000), TOO_MANY_PIXELS)
    black = [bytes(3 * 1999)] * 1999
    yield Nasty("PNG of as many pixels as are allowed, all alike", lambda: png(1999, 1999, 8, 2, black),
                Shown(np.zeros((1, 1, 3), np.uint8), 1999, 1999, 0, None))  # fmt: skip
    yield Nasty("GIF bomb", lambda: patched(written("GIF"), 6, b"\xff" * 4), TOO_MANY_PIXELS)
    yield Nasty("BMP bomb", lambda: patched(written("BMP"), 18, struct.pack("<ii", 2**31 - 1, 2**31 - 1)),
                TOO_MANY_PIXELS)  # fmt: skip
    size = {256: 100_000, 257: 100_000, 258: [8, 8, 8], 259: 1, 262: 2, 277: 3, 278: 100_000}
    yield Nasty("TIFF bomb", lambda: tiff(size, [bytes(100)]), TOO_MANY_PIXELS)
    yield Nasty("compressed TIFF bomb", lambda: tiff({**size, 259: 8}, [zlib.compress(bytes(10**6))]), TOO_MANY_PIXELS)
    lossless = written("WEBP")
    yield Nasty("WebP bomb", lambda: patched(lossless, 21, b"\xff\xff\xff\x0f"), TOO_MANY_PIXELS)
    animated = written("WEBP", PICTURE, save_all=True, append_images=[PICTURE.rotate(180)])
    at = animated.index(b"VP8X") + 12
    yield Nasty("animated WebP bomb", partial(patched, animated, at, b"\xff\x3f\0\xff\x3f\0"), TOO_MANY_PIXELS)
    jpeg = written("JPEG")
    at = jpeg.index(b"\xff\xc0") + 5
    yield Nasty("JPEG bomb", partial(patched, jpeg, at, struct.pack(">HH", 65500, 65500)), TOO_MANY_PIXELS)
    large = Image.new("L", (2048, 2048))
    yield Nasty("AVIF of more pixels than allowed", partial(written, "AVIF", large, speed=10), TOO_MANY_PIXELS)
    for file_format in ("AVIF", "HEIF"):
        data = written(file_format)
        huge = partial(patched, data, data.index(b"ispe") + 8, struct.pack(">II", 16384, 16384))
        # libheif compares the header with the pixels before it says a size
        expected = TOO_MANY_PIXELS if file_format == "AVIF" else damaged("size")
        yield Nasty(f"{file_format} bomb by its header", huge, expected)


def _before_pixels(*chunks: bytes) -> bytes:
    return png(WIDTH, HEIGHT, 8, 2, [row.tobytes() for row in RGB], *chunks)


def _texts() -> Iterator[Nasty]:
    for name, head in ((b"zTXt", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0"), (b"iCCP", b"a\0\0")):
        yield Nasty(f"PNG with a bomb of 20 megabytes in {name.decode()}", partial(_text_bomb, name, head, LARGE),
                    damaged("too large"))  # fmt: skip
    yield Nasty("PNG with a hundred texts of a megabyte", partial(_text_bomb, b"zTXt", b"a\0\0", MEGABYTE - 1, 100),
                damaged("text"))  # fmt: skip
    text = png_chunk(b"tEXt", b"Comment\0" + b"x" * 90)
    yield Nasty("PNG with 20,000 texts", lambda: _before_pixels(*[text] * 20_000), Shown())
    own = png_chunk(b"prIv", bytes(1000))
    yield Nasty("PNG with a thousand chunks of its own", lambda: _before_pixels(*[own] * 1000), Shown())
    jpeg = written("JPEG")
    comments = [jpeg_segment(0xFE, b"c" * 65_000)] * 30
    yield Nasty("JPEG with two megabytes of comments", lambda: with_segment(jpeg, *comments), CLOSE)
    marks = [jpeg_segment(0xFE, b"")] * 500_000
    yield Nasty("JPEG with half a million empty comments", lambda: with_segment(jpeg, *marks),
                Refused(ImageTooLarge, "segments"))  # fmt: skip
    yield Nasty("JPEG with two megabytes of padding", lambda: with_segment(jpeg, b"\xff" * 2 * MEGABYTE),
                Refused(ImageTooLarge, "segments"))  # fmt: skip
    empty = png_chunk(b"prIv", b"")
    yield Nasty("PNG with 250,000 empty chunks", lambda: _before_pixels(*[empty] * 250_000),
                Refused(ImageTooLarge, "chunks"))  # fmt: skip


def _text_bomb(name: bytes, head: bytes, size: int, times: int = 1) -> bytes:
    return _before_pixels(*[png_chunk(name, head + zlib.compress(bytes(size)))] * times)


def directory(*entries: tuple[int, int, int, int], start: int = 8) -> bytes:
    """A TIFF structure of these tags: number, type, count, and value or place."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", start, len(entries)) + body + bytes(4)


SIX = (274, 3, 1, 6)


def _exif() -> Iterator[Nasty]:
    heads = {
        "whose directory lies beyond its end": (directory(SIX, start=2**32 - 1), CLOSE),
        "of nothing": (b"", CLOSE),
        "of random bytes": (np.random.default_rng(2).bytes(5000), CLOSE),
        "with values beyond its end": (directory(SIX, (315, 2, 2**32 - 1, 2**32 - 1), (316, 3, 2**31, 8)), TURNED),
        "with an orientation of 2^32 - 1 values": (directory((274, 3, 2**32 - 1, 8)), CLOSE),
        "with directories in a ring": (directory(SIX, (34665, 4, 1, 8), (34853, 4, 1, 8)), TURNED),
        "with an orientation of a strange type": (directory((274, 99, 1, 6)), CLOSE),
        "that is huge": (directory(SIX, (37500, 7, 60_000, 40)) + bytes(60_100), TURNED),
    }
    for name, (data, expected) in heads.items():
        yield Nasty(f"JPEG with EXIF data {name}", partial(_jpeg_with_exif, data), expected)
    many = directory(SIX, *[(40000 + n, 3, 30_000, 8) for n in range(5000)])
    yield Nasty("JPEG with EXIF data that refers to all of itself 5,000 times", partial(_jpeg_with_exif, many), TURNED)
    more = directory(SIX, *[(1000 + n, 3, 380_000, 8) for n in range(64_000)])
    yield Nasty("PNG with EXIF data that refers to all of itself 64,000 times",
                lambda: _before_pixels(png_chunk(b"eXIf", more)), TURNED)  # fmt: skip
    same = directory(*[(274, 4, 190_000, 8)] * 64_000)
    yield Nasty("PNG with an orientation of 190,000 values, 64,000 times",
                lambda: _before_pixels(png_chunk(b"eXIf", same)), CLOSE)  # fmt: skip
    large = exif(6).tobytes()[6:] + bytes(3 * MEGABYTE)
    yield Nasty("PNG with three megabytes of EXIF data", lambda: _before_pixels(png_chunk(b"eXIf", large)), TURNED)
    pixels = {256: WIDTH, 257: HEIGHT, 258: [8, 8, 8], 259: 1, 262: 2, 277: 3, 278: HEIGHT}
    yield Nasty("TIFF with tags that refer to all of it 5,000 times", lambda: _tiff_with(pixels, 5000),
                Refused(ImageTooLarge, "metadata"))  # fmt: skip


def _jpeg_with_exif(data: bytes) -> bytes:
    return with_segment(written("JPEG"), jpeg_segment(0xE1, b"Exif\0\0" + data))


def _tiff_with(pixels: dict[int, int | list[int]], times: int) -> bytes:
    """Three megabytes, to which that many tags refer."""
    plain = tiff(pixels, [RGB.tobytes()])
    start = int.from_bytes(plain[4:8], "little")
    count = int.from_bytes(plain[start : start + 2], "little")
    entries = plain[start + 2 : start + 2 + 12 * count]
    more = b"".join(struct.pack("<HHII", 40000 + n, 1, 3 * MEGABYTE, 8) for n in range(times))
    directory = struct.pack("<H", count + times) + entries + more + bytes(4)
    padded = plain + bytes(3 * MEGABYTE)
    return padded[:4] + struct.pack("<I", len(padded)) + padded[8:] + directory


def _sizes() -> Iterator[Nasty]:
    for file_format in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"):
        one = partial(written, file_format, Image.new("RGB", (1, 1), (200, 40, 120)))
        yield Nasty(f"{file_format} of one pixel", one, Shown(CELLS[1:, 1:2], 1, 1, 6))
    for file_format in ("JPEG", "PNG", "WEBP"):
        for width, height in ((1, 8000), (8000, 1)):
            column = CELLS.reshape(6, 1, 3) if width == 1 else CELLS.reshape(1, 6, 3)
            pixels: Array = np.asarray(Image.fromarray(column).resize((width, height), Image.Resampling.NEAREST))
            make = partial(written, file_format, Image.fromarray(pixels))
            yield Nasty(f"{file_format} of {width} by {height}", make, Shown(column, width, height, 6))


def _scans() -> Iterator[Nasty]:
    data = saved(PICTURE, "JPEG", progressive=True, quality=95)
    at = data.rindex(b"\xff\xda")
    scan = data[at:-2]
    many = Refused(ImageTooLarge, "scans")
    yield Nasty("JPEG of 500 scans", lambda: data[:-2] + scan * 500 + b"\xff\xd9", many)
    yield Nasty("JPEG of 150 scans", lambda: data[:-2] + scan * 140 + b"\xff\xd9", CLOSE)
