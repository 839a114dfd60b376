"""Pictures that are sound, but easily read in wrong colours or the wrong way up."""

from collections.abc import Iterator
from functools import partial
from itertools import chain

import numpy as np
from images.image_files import exif, png, stored, tiff
from nasty_rows import (
    CELLS,
    GREY_SHOWN,
    GREYS,
    MID_GREY,
    PICTURE,
    RGB,
    Array,
    Nasty,
    Shown,
    grey_cells,
    saved,
    spread,
    written,
)
from PIL import Image, ImageChops, ImageCms

TURNED = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# Says that what is stored as red is blue light, and the other way round
SWAPPED = SRGB.replace(b"rXYZ", b"swap").replace(b"bXYZ", b"rXYZ").replace(b"swap", b"bXYZ")
CLOSE = Shown(tolerance=6)
HOLES = np.array([[255, 0, 255], [0, 255, 255]], np.uint8)  # alpha of each cell
WITH_HOLES: Array = np.where(HOLES[..., None] == 0, MID_GREY, CELLS).astype(np.uint8)
HOLES_SHOWN = Shown(WITH_HOLES, label=None)
HIDDEN = Image.fromarray(np.dstack([RGB, spread(HOLES)]))
NOISE_BYTES = np.random.default_rng(5).bytes(3000)


def colour_rows() -> Iterator[Nasty]:
    yield from chain(_turned(), _jpeg_inks(), _deep(), _floats(), _transparent(), _profiles())


def _turned() -> Iterator[Nasty]:
    for orientation in range(1, 9):
        for file_format in TURNED:
            if file_format in ("AVIF", "HEIF") and orientation not in (3, 6):
                continue
            image = Image.fromarray(stored(RGB, orientation))
            make = partial(written, file_format, image, exif=exif(orientation).tobytes())
            yield Nasty(f"orientation {orientation} in {file_format}", make, CLOSE)
    for value in (0, 9, 65535):
        yield Nasty(f"orientation {value}, which is none", partial(written, "JPEG", exif=exif(value).tobytes()), CLOSE)


def _jpeg_inks() -> Iterator[Nasty]:
    inks = PICTURE.convert("CMYK")
    yield Nasty("CMYK JPEG of Adobe's", partial(written, "JPEG", inks), CLOSE)
    yield Nasty("CMYK JPEG of another's", lambda: without_adobe(written("JPEG", ImageChops.invert(inks))), CLOSE)
    yield Nasty("YCCK JPEG of Adobe's", _ycck, CLOSE)
    yield Nasty("JPEG that holds RGB", partial(written, "JPEG", keep_rgb=True), CLOSE)
    yield Nasty("progressive JPEG", partial(written, "JPEG", progressive=True), CLOSE)
    yield Nasty("JPEG with subsampled colours", partial(written, "JPEG", subsampling="4:2:0"), CLOSE)
    yield Nasty("grey JPEG", lambda: written("JPEG", Image.fromarray(spread(GREYS))), GREY_SHOWN)


def without_adobe(jpeg: bytes) -> bytes:
    at = jpeg.index(b"\xff\xee\0\x0eAdobe")
    return jpeg[:at] + jpeg[at + 16 :]


def _ycck() -> bytes:
    """Adobe's way: the negative's luma and chroma, and inverted black."""
    negative = Image.merge("YCbCr", ImageChops.invert(PICTURE).convert("YCbCr").split())
    kept = [ImageChops.invert(band) for band in negative.split()]  # Pillow inverts again
    data = written("JPEG", Image.merge("CMYK", (*kept, Image.new("L", PICTURE.size, 0))), subsampling=0)
    at = data.index(b"Adobe") + 11
    assert data[at] == 0
    return data[:at] + b"\x02" + data[at + 1 :]


def _deep() -> Iterator[Nasty]:
    wide = spread(GREYS).astype(np.uint16) * 257
    image = Image.fromarray(wide)
    yield Nasty("grey PNG of 16 bits", lambda: saved(image, "PNG"), GREY_SHOWN)
    yield Nasty("grey TIFF of 16 bits", lambda: saved(image, "TIFF"), GREY_SHOWN)
    tags = {256: wide.shape[1], 257: wide.shape[0], 258: 16, 259: 1, 262: 1, 277: 1, 278: wide.shape[0]}
    yield Nasty("big-endian TIFF of 16 bits", lambda: tiff(tags, [wide.astype(">u2").tobytes()], ">"), GREY_SHOWN)
    negative = (65535 - wide).astype("<u2").tobytes()
    yield Nasty("TIFF of 16 bits in which white is 0", lambda: tiff({**tags, 262: 0}, [negative]), GREY_SHOWN)
    deep = (RGB.astype(np.uint16) * 257).astype(">u2")
    yield Nasty("colour PNG of 16 bits", lambda: png(48, 32, 16, 2, [row.tobytes() for row in deep]), Shown())
    colour = {**tags, 258: [16, 16, 16], 262: 2, 277: 3}
    yield Nasty("colour TIFF of 16 bits", lambda: tiff(colour, [deep.astype("<u2").tobytes()]), Shown())
    bits = np.packbits(spread(GREYS) > 100, axis=1)
    black_white = Shown(grey_cells(np.where(GREYS > 100, 255, 0)), label=None)
    yield Nasty("PNG of 1 bit", lambda: png(48, 32, 1, 0, [row.tobytes() for row in bits]), black_white)


def _floats() -> Iterator[Nasty]:
    grey = GREYS.astype(np.float32)
    stretched = Shown(grey_cells(GREYS), label=None)
    for name, cells, expected in (
        ("within 0 and 1", grey / 255, GREYS),
        ("beyond 0 and 1", grey * 3 - 200, GREYS),
        ("with NaN", np.where(GREYS == 100, np.nan, grey / 255), np.where(GREYS == 100, 0, GREYS)),
        ("with infinities", np.where(GREYS == 100, np.inf, np.where(GREYS == 50, -np.inf, grey / 255)),
         np.where(GREYS == 100, 255, np.where(GREYS == 50, 0, GREYS))),
        ("of NaN alone", np.full_like(grey, np.nan), np.zeros_like(GREYS)),
        ("near the largest number", GREYS / 255 * 6e38 - 3e38, GREYS),
    ):  # fmt: skip
        image = Image.fromarray(spread(cells.astype(np.float32)))
        shown = stretched if expected is GREYS else Shown(grey_cells(expected), label=None)
        yield Nasty(f"float TIFF {name}", partial(saved, image, "TIFF"), shown)


def _transparent() -> Iterator[Nasty]:
    for file_format in ("PNG", "WEBP", "TIFF", "AVIF", "HEIF"):
        yield Nasty(f"colours hidden under alpha in {file_format}", partial(written, file_format, HIDDEN),
                    Shown(WITH_HOLES, tolerance=6, label=None))  # fmt: skip
    palette = PICTURE.quantize(6)
    clear = bytes(255 if palette.getpalette()[3 * i : 3 * i + 3][1] > 100 else 0 for i in range(6))  # type: ignore[index]
    kept = np.where((CELLS[..., 1] > 100)[..., None], CELLS, MID_GREY).astype(np.uint8)
    yield Nasty("palette PNG with transparency", partial(saved, palette, "PNG", transparency=clear),
                Shown(kept, label=None))  # fmt: skip
    index = palette.getpixel((0, 0))
    first = CELLS.copy()
    first[0, 0] = MID_GREY
    yield Nasty("GIF with a transparent colour", partial(saved, palette, "GIF", transparency=index),
                Shown(first, label=None))  # fmt: skip
    key = tuple(CELLS[0, 0].tolist())
    yield Nasty("colour PNG with a transparent colour", partial(saved, PICTURE, "PNG", transparency=key),
                Shown(first, label=None))  # fmt: skip
    grey = Image.fromarray(spread(GREYS))
    keyed = grey_cells(np.where(GREYS == 200, MID_GREY, GREYS))
    yield Nasty("grey PNG with a transparent shade", partial(saved, grey, "PNG", transparency=200),
                Shown(keyed, label=None))  # fmt: skip


def _profiles() -> Iterator[Nasty]:
    swapped = Image.fromarray(np.ascontiguousarray(RGB[..., ::-1]))
    for file_format in ("JPEG", "PNG", "WEBP", "TIFF"):
        make = partial(written, file_format, swapped, icc_profile=SWAPPED)
        yield Nasty(f"profile of swapped channels in {file_format}", make, CLOSE)
    bad = {
        "of random bytes": NOISE_BYTES,
        "cut short": SRGB[:200],
        "of no bytes but its head": SRGB[:128],
        "whose tags lie beyond its end": SRGB[:132] + b"\xff" * (len(SRGB) - 132),
        "of 2^32 - 1 tags": SRGB[:128] + b"\xff" * 4 + SRGB[132:],
        "of another colour space": SRGB[:16] + b"CMYK" + SRGB[20:],
    }
    for name, profile in bad.items():
        for file_format in ("JPEG", "PNG", "WEBP", "TIFF") if name == "of random bytes" else ("PNG",):
            make = partial(written, file_format, icc_profile=profile)
            yield Nasty(f"profile {name} in {file_format}", make, CLOSE)
