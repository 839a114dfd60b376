"""Files of several pictures, or of pieces of one: GIF, animations, pages, tiles."""

import struct
from collections.abc import Iterator
from functools import partial
from itertools import chain

import numpy as np
from images.image_files import png, png_chunk, tiff
from nasty_rows import (
    BLANK,
    CELL,
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
    patched,
    saved,
    spread,
    written,
)
from PIL import Image

from service.errors import ImageTooLarge

CLOSE = Shown(tolerance=6)
BLANK_SHOWN = Shown(np.array([[[9, 9, 9]]], np.uint8), label=None)
PALETTE = CELLS.tobytes().ljust(3 * 128, b"\0")
PLACES: Array = np.arange(6, dtype=np.uint8).reshape(2, 3)  # of each cell's colour in the palette
INDICES: Array = spread(PLACES)  # type: ignore[assignment]


def frame_rows() -> Iterator[Nasty]:
    yield from chain(_animations(), _gifs(), _pngs(), _tiffs())


def _animations() -> Iterator[Nasty]:
    for file_format in ("GIF", "PNG", "WEBP", "AVIF"):
        make = partial(written, file_format, BLANK, save_all=True, append_images=[PICTURE])
        yield Nasty(f"animation with a blank first frame in {file_format}", make, CLOSE)
    blanks = [Image.new("RGB", PICTURE.size, (9, 9, 9 + n)) for n in range(40)]
    make = partial(written, "WEBP", blanks[0], save_all=True, append_images=[*blanks[1:], PICTURE])
    yield Nasty("animation with forty blank frames", make, BLANK_SHOWN)
    yield Nasty("JPEG of a phone, with a second picture", partial(saved, PICTURE, "MPO", save_all=True,
                append_images=[BLANK], quality=95), CLOSE)  # fmt: skip


def gif_frame(indices: Array, left: int = 0, top: int = 0, flags: int = 0, code_bits: int = 7) -> bytes:
    """Codes of 8 bits: the table is cleared before they would need more."""
    codes = bytearray()
    for at in range(0, indices.size, 100):
        codes += b"\x80" + indices.tobytes()[at : at + 100]
    codes += b"\x81"
    height, width = indices.shape
    blocks = b"".join(bytes([len(part)]) + part for at in range(0, len(codes), 255) if (part := codes[at : at + 255]))
    return struct.pack("<BHHHHBB", 0x2C, left, top, width, height, flags, code_bits) + blocks + b"\0"


def gif(*pieces: bytes, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF6, 0, 0) + PALETTE + b"".join(pieces) + b";"


def comment(text: bytes = b"") -> bytes:
    blocks = b"".join(bytes([len(part)]) + part for at in range(0, len(text), 255) if (part := text[at : at + 255]))
    return b"!\xfe" + blocks + b"\0"


def _gifs() -> Iterator[Nasty]:
    whole = gif_frame(INDICES)
    empty = struct.pack("<BHHHHBB", 0x2C, 0, 0, 0, 0, 0, 7) + b"\x02\x80\x81\0"
    yield Nasty("GIF by hand", lambda: gif(whole), Shown())
    yield Nasty("GIF with a frame of no size before the picture", lambda: gif(empty, whole), damaged())
    yield Nasty("GIF with a frame of no size alone", lambda: gif(empty), damaged())
    yield Nasty("GIF without a frame", lambda: gif(), damaged())
    yield Nasty("GIF whose screen has no size", lambda: gif(whole, width=0, height=0), Shown())
    yield Nasty("GIF whose frame is larger than its screen", lambda: gif(whole, width=5, height=5), Shown())
    far = Shown(np.full((1, 1, 3), 0, np.uint8), 1024, 1024, 255, None)  # what is not covered is anybody's choice
    yield Nasty("GIF whose frame lies beyond its screen", lambda: gif(gif_frame(INDICES, 976, 992)), far)
    yield Nasty("GIF whose frame lies at the end of the world", lambda: gif(gif_frame(INDICES, 65535, 65535)),
                TOO_MANY_PIXELS)  # fmt: skip
    order = [row for start, step in ((0, 8), (4, 8), (2, 4), (1, 2)) for row in range(start, HEIGHT, step)]
    yield Nasty("interlaced GIF", lambda: gif(gif_frame(INDICES[order], flags=0x40)), Shown())
    yield Nasty("GIF of two halves", lambda: gif(gif_frame(INDICES[:CELL] * 0), gif_frame(INDICES)), Shown())
    for bits in (13, 255):
        yield Nasty(f"GIF with codes of {bits} bits", lambda bits=bits: gif(gif_frame(INDICES, code_bits=bits)),
                    damaged())  # fmt: skip
    yield Nasty("GIF with a comment of a megabyte", lambda: gif(comment(bytes([65]) * 2**20), whole), Shown())
    yield Nasty("GIF with 40,000 comments", lambda: gif(comment(b"a") * 40_000, whole), Shown())
    yield Nasty("GIF with 800,000 comments", lambda: gif(comment() * 800_000, whole), Refused(ImageTooLarge, "blocks"))
    yield Nasty("GIF with JavaScript in its comment", lambda: gif(comment(b"*/=1;alert(document.cookie);/*"), whole),
                Shown())  # fmt: skip
    late = gif(gif_frame(INDICES * 0), patched(whole, 5, b"\xff\xff\xff\xff"))
    yield Nasty("GIF whose second frame is a bomb", lambda: late, TOO_MANY_PIXELS)


def _pngs() -> Iterator[Nasty]:
    animated = saved(BLANK, "PNG", save_all=True, append_images=[PICTURE])
    at = animated.index(b"acTL") + 4
    for frames in (0, 1, 2**31 - 1):
        make = partial(_with_chunk, animated, at, struct.pack(">II", frames, 0))
        expected = CLOSE if frames > 1 else BLANK_SHOWN
        yield Nasty(f"APNG that claims {frames} frames", make, expected)
    at = animated.rindex(b"fcTL") + 8
    make = partial(_with_chunk, animated, at - 4, animated[at - 4 : at] + struct.pack(">II", 2**31 - 1, 2**31 - 1))
    yield Nasty("APNG whose second frame is a bomb", make, damaged())
    rows = [row.tobytes() for row in RGB]
    first = png(WIDTH, HEIGHT, 8, 2, rows)
    other = png(WIDTH, HEIGHT, 8, 2, [bytes(3 * WIDTH)] * HEIGHT)
    pixels = other[33:-12]  # its IDAT chunk
    yield Nasty("PNG with pixels behind its end", lambda: first + pixels + first[-12:], Shown())
    yield Nasty("interlaced PNG", _interlaced, Shown())
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    yield Nasty("PNG with a second, larger header", lambda: first[:33] + header + first[33:], TOO_MANY_PIXELS)
    palette = saved(PICTURE.quantize(6), "PNG")
    at = palette.index(b"IDAT") - 4
    yield Nasty("PNG with two palettes", lambda: palette[:at] + png_chunk(b"PLTE", bytes(18)) + palette[at:],
                Shown(np.zeros((1, 1, 3), np.uint8), tolerance=255, label=None))  # fmt: skip
    start = palette.index(b"PLTE") - 4
    end = start + 12 + int.from_bytes(palette[start : start + 4])
    yield Nasty("palette PNG without a palette", lambda: palette[:start] + palette[end:],
                Shown(np.zeros((1, 1, 3), np.uint8), tolerance=255, label=None))  # fmt: skip
    yield Nasty("PNG with its pixels before its header", lambda: first[:8] + first[33:-12] + first[8:33] + first[-12:],
                damaged())  # fmt: skip
    yield Nasty("PNG without pixels", lambda: first[:33] + first[-12:], damaged())


def _with_chunk(data: bytes, at: int, body: bytes) -> bytes:
    """A PNG with other bytes at the beginning of the chunk whose body starts there, and the right checksum."""
    length = int.from_bytes(data[at - 8 : at - 4])
    chunk = png_chunk(data[at - 4 : at], (body + data[at + len(body) : at + length])[:length])
    return data[: at - 8] + chunk + data[at + length + 4 :]


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def _interlaced() -> bytes:
    rows = [row.tobytes() for x, y, dx, dy in ADAM7 for row in RGB[y::dy, x::dx]]
    plain = png(WIDTH, HEIGHT, 8, 2, rows)
    return _with_chunk(plain, 16, plain[16:28] + b"\x01")


def _tiffs() -> Iterator[Nasty]:
    tags = {256: WIDTH, 257: HEIGHT, 258: [8, 8, 8], 259: 1, 262: 2, 277: 3, 278: HEIGHT}
    plain = tiff(tags, [RGB.tobytes()])
    start = int.from_bytes(plain[4:8], "little")
    end = start + 2 + 12 * int.from_bytes(plain[start : start + 2], "little")
    yield Nasty("TIFF whose directories form a ring", lambda: patched(plain, end, struct.pack("<I", start)), Shown())
    yield Nasty("TIFF whose next directory lies beyond its end", lambda: patched(plain, end, b"\xff" * 4), Shown())
    yield Nasty(
        "TIFF of several pages", partial(saved, PICTURE, "TIFF", save_all=True, append_images=[BLANK.copy()]), Shown()
    )
    blank_first = partial(saved, BLANK, "TIFF", save_all=True, append_images=[PICTURE])
    yield Nasty("TIFF with a blank first page", blank_first, BLANK_SHOWN)
    yield Nasty("tiled TIFF", _tiled, Shown())
    planes = [np.ascontiguousarray(RGB[..., channel]).tobytes() for channel in range(3)]
    yield Nasty("TIFF of separate planes", lambda: tiff({**tags, 284: 2}, planes), Shown())
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd"):
        yield Nasty(f"TIFF compressed by {compression}", partial(saved, PICTURE, "TIFF", compression=compression),
                    Shown())  # fmt: skip
    yield Nasty("TIFF that holds a JPEG", partial(saved, PICTURE, "TIFF", compression="jpeg", quality=95), CLOSE)
    yield Nasty("BigTIFF", partial(saved, PICTURE, "TIFF", big_tiff=True), Shown())


def _tiled() -> bytes:
    tiles = [RGB[y : y + CELL, x : x + CELL].tobytes() for y in (0, CELL) for x in range(0, WIDTH, CELL)]
    tags = {256: WIDTH, 257: HEIGHT, 258: [8, 8, 8], 259: 1, 262: 2, 277: 3, 322: CELL, 323: CELL}
    data = tiff(tags, tiles)
    for strips, of_tiles in ((273, 324), (279, 325)):
        at = data.index(struct.pack("<HHI", strips, 4, len(tiles)))
        data = patched(data, at, struct.pack("<H", of_tiles))
    return data
