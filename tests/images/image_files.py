"""Files made by hand where Pillow cannot write them, and the colour arithmetic that the tests compare with."""

import io
import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

from service.images import Picture

Array = NDArray[np.uint8]


def saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    out = io.BytesIO()
    if file_format == "HEIF":
        pillow_heif.from_pillow(image).save(out, **options)
    else:
        image.save(out, file_format, **options)
    return out.getvalue()


def colours(width: int = 24, height: int = 16) -> Array:
    """An asymmetric picture: every pixel differs from every other."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), (x * 7 + y * 13) % 256], axis=-1).astype(np.uint8)


def grey3(shades: NDArray[np.generic]) -> Array:
    return np.repeat(np.asarray(shades)[..., None], 3, axis=2).astype(np.uint8)


def over_grey(rgb: Array, alpha: Array) -> NDArray[np.float64]:
    a = alpha.astype(np.float64)[..., None] / 255
    return rgb * a + 128 * (1 - a)


def farthest(picture: Picture, expected: NDArray[np.generic]) -> float:
    """The greatest difference of any channel, in levels of 0..255."""
    assert picture.rgb.shape == expected.shape
    return float(np.abs(picture.rgb.astype(np.float64) - expected.astype(np.float64)).max())


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, depth: int, colour_type: int, rows: Sequence[bytes], *chunks: bytes) -> bytes:
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + pixels + png_chunk(b"IEND", b"")


def tiff(tags: Mapping[int, int | Sequence[int]], planes: Sequence[bytes], order: str = "<") -> bytes:
    """A TIFF file of one strip per plane; tags are written as SHORT, or LONG where they do not fit."""
    ends = np.cumsum([8, *(len(plane) for plane in planes)]).tolist()
    full = {**tags, 273: ends[:-1], 279: [len(plane) for plane in planes]}
    start, extra, entries = ends[-1], b"", b""
    after = start + 2 + 12 * len(full) + 4
    for tag, value in sorted(full.items()):
        numbers = [value] if isinstance(value, int) else list(value)
        kind = 4 if max(numbers) > 0xFFFF or tag in (273, 279) else 3
        body = struct.pack(f"{order}{len(numbers)}{'HI'[kind - 3]}", *numbers)
        if len(body) > 4:
            body, extra = struct.pack(order + "I", after + len(extra)), extra + body
        entries += struct.pack(order + "HHI", tag, kind, len(numbers)) + body.ljust(4, b"\0")
    magic = b"II*\0" if order == "<" else b"MM\0*"
    directory = struct.pack(order + "H", len(full)) + entries + struct.pack(order + "I", 0)
    return magic + struct.pack(order + "I", start) + b"".join(planes) + directory + extra


def icc(space: bytes, pcs: bytes, device: bytes, tags: Mapping[bytes, bytes]) -> bytes:
    """An ICC profile of version 2.4."""
    at, table, body = 132 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        padded = content.ljust((len(content) + 3) // 4 * 4, b"\0")
        table += name + struct.pack(">II", at + len(body), len(content))
        body += padded
    head = struct.pack(">I4sI4s4s4s12s4s", at + len(body), b"lcms", 0x02400000, device, space, pcs, b"\0" * 12, b"acsp")
    head = head.ljust(68, b"\0") + struct.pack(">III", 0xF6D6, 0x10000, 0xD32D)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


WHITE = b"XYZ \0\0\0\0" + struct.pack(">III", 0xF6D6, 0x10000, 0xD32D)


def linear_grey_profile() -> bytes:
    return icc(b"GRAY", b"XYZ ", b"mntr", {b"wtpt": WHITE, b"kTRC": b"curv" + bytes(8)})


def cmyk_profile(corners: Array) -> bytes:
    """corners: uint8 [16, 3], the Lab colour (8-bit encoding) of each full or absent ink, K changing fastest."""
    ramp = bytes(range(256))
    identity = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x10000)
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4 + corners.tobytes() + ramp * 3
    return icc(b"CMYK", b"Lab ", b"scnr", {b"wtpt": WHITE, b"A2B0": lut})


def srgb_curve(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear light 0..1 to sRGB values 0..255 (IEC 61966-2-1)."""
    light = linear.clip(0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def lab_to_srgb(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE L*a*b* under D50, [..., 3], to sRGB values 0..255."""
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * [0.96422, 1.0, 0.82521]
    d50_to_rgb = np.array(  # Lindbloom's, Bradford-adapted
        [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
    )
    return srgb_curve(xyz @ d50_to_rgb.T)


def stored(upright: Array, orientation: int) -> Array:
    """What a camera stores, from the standard's table of where row 0 and column 0 of the stored picture are seen."""
    height, width = upright.shape[:2]
    rows, columns = (width, height) if orientation >= 5 else (height, width)
    r, c = np.mgrid[:rows, :columns]
    right, bottom = width - 1, height - 1
    y, x = {
        1: (r, c),
        2: (r, right - c),
        3: (bottom - r, right - c),
        4: (bottom - r, c),
        5: (c, r),
        6: (c, right - r),
        7: (bottom - c, right - r),
        8: (bottom - c, r),
    }[orientation]
    return upright[y, x]


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[274] = orientation
    return found


def flat(*rgb: int) -> Image.Image:
    return Image.new("RGB", (W, H), rgb)


def gif_of(*frames: Image.Image) -> bytes:
    return saved(frames[0], "GIF", save_all=True, append_images=list(frames[1:]), optimize=False)


RGB = colours()
H, W = RGB.shape[:2]
IMAGE = Image.fromarray(RGB)
WRITERS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "bmp": "BMP", "tiff": "TIFF", "avif": "AVIF"}
FILES = {name: saved(IMAGE, writer) for name, writer in WRITERS.items()} | {"heif": saved(IMAGE, "HEIF")}
TWO = Image.fromarray(
    np.where(np.arange(W)[None, :, None] < W // 3, [[[250, 10, 10]]], [[[10, 10, 250]]]).astype(np.uint8)
)
TWO = TWO.resize((W, H))
VARIANTS = {
    "progressive jpeg": saved(IMAGE, "JPEG", progressive=True),
    "compressed tiff": saved(IMAGE, "TIFF", compression="tiff_lzw"),
    "big tiff": saved(IMAGE, "TIFF", big_tiff=True),
    "animated png": saved(IMAGE, "PNG", save_all=True, append_images=[TWO]),
    "run-length bmp": saved(IMAGE.quantize(16), "BMP"),
}
