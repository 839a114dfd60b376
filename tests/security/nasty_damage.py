"""Files that are cut short, or whose headers say what is not so."""

import struct
from collections.abc import Iterator
from functools import partial
from itertools import chain

import numpy as np
from images.image_files import png, png_chunk, tiff
from nasty_rows import (
    CELLS,
    CUT_SHORT,
    HEIGHT,
    PICTURE,
    RGB,
    TOO_MANY_PIXELS,
    WIDTH,
    WRITERS,
    Nasty,
    Refused,
    Shown,
    damaged,
    patched,
    saved,
    written,
)
from PIL import Image

from service.errors import ImageUnreadable

CLOSE = Shown(tolerance=6)
CHECKSUM = Refused(ImageUnreadable, "checksum")
UPPER = Shown(CELLS[:1], height=HEIGHT // 2)
NOISE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))


def damage_rows() -> Iterator[Nasty]:
    yield from chain(_cut(), _png(), _jpeg(), _bmp(), _tiff(), _riff(), _boxes())


def _cut() -> Iterator[Nasty]:
    whole = {name: partial(written, name, NOISE) for name in WRITERS}
    whole["progressive JPEG"] = partial(written, "JPEG", NOISE, progressive=True)
    whole["compressed TIFF"] = partial(written, "TIFF", NOISE, compression="tiff_lzw")
    whole["animated WEBP"] = partial(written, "WEBP", NOISE, save_all=True, append_images=[PICTURE])
    for name, make in whole.items():
        for percent in (10, 50, 90):
            yield Nasty(f"{name} of which {percent} % came", partial(_part, make, percent), CUT_SHORT)


def _part(make: partial[bytes], percent: int) -> bytes:
    data = make()
    return data[: len(data) * percent // 100]


def _png() -> Iterator[Nasty]:
    data = written("PNG")
    for name in (b"IHDR", b"IDAT", b"IEND"):
        end = data.index(name) + 4 + int.from_bytes(data[data.index(name) - 4 : data.index(name)])
        yield Nasty(f"PNG with a wrong checksum of {name.decode()}", partial(patched, data, end, b"\0\0\0\0"), CHECKSUM)
    for length in (2**31 - 1, 2**31, 2**32 - 1):
        make = partial(patched, data, data.index(b"IDAT") - 4, struct.pack(">I", length))
        yield Nasty(f"PNG with a chunk of {length} bytes", make, CUT_SHORT)
    rows = [row.tobytes() for row in RGB]
    yield Nasty("PNG of more rows than its header says", lambda: png(WIDTH, HEIGHT // 2, 8, 2, rows), UPPER)
    yield Nasty("PNG of fewer rows than its header says", lambda: png(WIDTH, 2 * HEIGHT, 8, 2, rows), damaged())
    yield Nasty("PNG of 8 bits that claims 16", lambda: png(WIDTH, HEIGHT, 16, 2, rows), damaged())
    for depth, colour in ((3, 2), (4, 2), (8, 1), (8, 5), (0, 0), (255, 255)):
        make = partial(png, WIDTH, HEIGHT, depth, colour, rows)
        yield Nasty(f"PNG of {depth} bits and colour type {colour}", make, damaged())
    bad = png_chunk(b"IHDR", b"\0\0\0\x30") + png_chunk(b"IEND", b"")
    yield Nasty("PNG with a short header", lambda: data[:8] + bad, damaged())
    at = data.index(b"IDAT") + 4
    other = data[: at - 8] + png_chunk(b"IDAT", b"\x78\x9c" + bytes(99)) + data[-12:]
    yield Nasty("PNG whose pixels are no zlib stream", partial(bytes, other), damaged())  # fmt: skip


def _jpeg() -> Iterator[Nasty]:
    data = written("JPEG", subsampling=0)
    size = data.index(b"\xff\xc0") + 5
    for name, height, width, expected in (
        ("no rows", 0, WIDTH, damaged()),
        ("no columns", HEIGHT, 0, damaged()),
        ("half of its rows", HEIGHT // 2, WIDTH, UPPER),
    ):
        yield Nasty(
            f"JPEG that claims {name}", partial(patched, data, size, struct.pack(">HH", height, width)), expected
        )
    for bits in (0, 7, 12, 16):
        yield Nasty(f"JPEG that claims {bits} bits", partial(patched, data, size - 1, bytes([bits])), damaged())
    table = data.index(b"\xff\xc4") + 2
    yield Nasty("JPEG with a segment beyond its end", partial(patched, data, table, b"\xff\xff"), CUT_SHORT)
    yield Nasty("JPEG with a segment of no length", partial(patched, data, table, b"\0\0"), damaged())
    yield Nasty("JPEG with a Huffman table of ones", partial(patched, data, table + 3, b"\xff" * 16), damaged())
    yield Nasty("JPEG without a scan", lambda: data[: data.index(b"\xff\xda")] + b"\xff\xd9", CUT_SHORT)
    scan = data.index(b"\xff\xda")
    garbage = b"\xff\xd0\xff\xd7\xff\xd3" * 5000
    anything = Shown(np.zeros((1, 1, 3), np.uint8), tolerance=255, label=None)
    yield Nasty("JPEG whose scan is restart markers", lambda: data[: scan + 14] + garbage + b"\xff\xd9", anything)
    yield Nasty("JPEG with restart markers behind its scan", lambda: data[:-2] + garbage + b"\xff\xd9", CLOSE)
    yield Nasty("JPEG of a picture and a half", lambda: data + data[: len(data) // 2], CLOSE)


def _bmp() -> Iterator[Nasty]:
    data = written("BMP")
    yield Nasty("BMP from top to bottom", _top_down, Shown())
    yield Nasty("BMP of runs", lambda: saved(PICTURE.quantize(6), "BMP"), Shown())
    yield Nasty("BMP of bit fields", _bit_fields, Shown(tolerance=9))
    for name, at, value, expected in (
        ("pixels 2^31 bytes ahead", 10, 2**31, CUT_SHORT),
        ("pixels behind its end", 10, 10**6, CUT_SHORT),
        ("7 bits", 28, 7, damaged()),
        ("compression 77", 30, 77, damaged()),
        ("no columns", 18, 0, damaged()),
        ("columns less than none", 18, 2**32 - 48, TOO_MANY_PIXELS),
    ):
        piece = struct.pack("<H" if at == 28 else "<I", value)
        yield Nasty(f"BMP with {name}", partial(patched, data, at, piece), expected)
    yield Nasty("BMP that lies about its own length", partial(patched, data, 2, b"\xff" * 4), Shown())


def _top_down() -> bytes:
    rows = np.ascontiguousarray(RGB[..., ::-1]).tobytes()
    return (
        b"BM"
        + struct.pack("<IHHIIiiHHIIiiII", 54 + len(rows), 0, 0, 54, 40, WIDTH, -HEIGHT, 1, 24, 0, 0, 0, 0, 0, 0)
        + rows
    )


def _bit_fields() -> bytes:
    r, g, b = (RGB[::-1, :, channel].astype(np.uint16) for channel in range(3))
    pixels = (r >> 3 << 11 | g >> 2 << 5 | b >> 3).astype("<u2").tobytes()
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    head = struct.pack("<IHHIIiiHHIIiiII", 66 + len(pixels), 0, 0, 66, 40, WIDTH, HEIGHT, 1, 16, 3, 0, 0, 0, 0, 0)
    return b"BM" + head + masks + pixels


def _tiff() -> Iterator[Nasty]:
    tags = {256: WIDTH, 257: HEIGHT, 258: [8, 8, 8], 259: 1, 262: 2, 277: 3, 278: HEIGHT}
    pixels = [RGB.tobytes()]
    data = tiff(tags, pixels)
    start = int.from_bytes(data[4:8], "little")
    yield Nasty(
        "TIFF whose directory lies 2^31 bytes ahead", partial(patched, data, 4, struct.pack("<I", 2**31)), CUT_SHORT
    )
    yield Nasty("TIFF of 65,535 tags, by its own word", partial(patched, data, start, b"\xff\xff"), Shown())
    strip = data.index(struct.pack("<HHI", 273, 4, 1)) + 8
    yield Nasty(
        "TIFF whose pixels lie 2^31 bytes ahead", partial(patched, data, strip, struct.pack("<I", 2**31)), CUT_SHORT
    )
    count = data.index(struct.pack("<HHI", 279, 4, 1)) + 8
    yield Nasty("TIFF of 2^31 bytes of pixels", partial(patched, data, count, struct.pack("<I", 2**31)), Shown())
    bits = data.index(struct.pack("<HHI", 258, 3, 3)) + 4
    yield Nasty("TIFF with a tag of 2^32 - 1 values", partial(patched, data, bits, b"\xff" * 4), CUT_SHORT)
    for name, changed in (
        ("65,535 samples a pixel", {277: 65535}),
        ("5 bits a sample", {258: [5, 5, 5]}),
        ("compression 9999", {259: 9999}),
        ("an unknown colour space", {262: 999}),
        ("strips of no rows", {278: 0}),
        ("LZW that is none", {259: 5}),
    ):
        yield Nasty(f"TIFF with {name}", partial(tiff, {**tags, **changed}, pixels), damaged())
    path = struct.unpack("<4H", b"/etc/pwd")
    yield Nasty("TIFF that names a file", lambda: tiff({**tags, 269: path, 32995: 1}, pixels), Shown())


def _riff() -> Iterator[Nasty]:
    data = written("WEBP")
    yield Nasty("WebP of 2^32 - 2 bytes", partial(patched, data, 4, b"\xfe\xff\xff\xff"), CUT_SHORT)
    yield Nasty("WebP of no bytes", partial(patched, data, 4, bytes(4)), damaged())
    yield Nasty("WebP with a chunk beyond its end", partial(patched, data, 16, b"\xff\xff\xff\x7f"), damaged())
    yield Nasty("WebP with a chunk nobody knows", lambda: patched(data, 12, b"XXXX"), damaged())
    animated = written("WEBP", PICTURE, save_all=True, append_images=[NOISE])
    at = animated.index(b"ANMF") + 8
    yield Nasty("WebP whose frame lies beyond its canvas", partial(patched, animated, at, b"\xff" * 6), damaged())


def _boxes() -> Iterator[Nasty]:
    for file_format in ("AVIF", "HEIF"):
        data = written(file_format)
        for name, piece in ((b"meta", b"\x80\0\0\0"), (b"iloc", b"\xff\xff\xff\xff"), (b"iprp", bytes(4))):
            at = data.index(name) - 4
            expected = CUT_SHORT if name == b"meta" else damaged()
            if (file_format, name) == ("HEIF", b"iprp"):
                expected = CLOSE  # 0 is "to the end", and nothing comes behind
            yield Nasty(f"{file_format} with a lying {name.decode()} box", partial(patched, data, at, piece), expected)
