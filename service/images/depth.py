"""Grey pictures of more than 8 bits: scaled to 0..255, never clipped.

16 bits (and 12 in TIFF): value / full scale. 32-bit whole numbers: within 0..255 they are taken for 8-bit shades,
within 0..65535 for 16-bit ones. Floats within 0..1: times 255. Whatever lies outside is stretched, least to 0 and
greatest to 255, and a picture of one value becomes mid-grey. NaN and -inf count as the least value, +inf as the
greatest.
"""

import sys
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

BITS, COMPRESSION, PHOTOMETRIC, SAMPLE_FORMAT = 258, 259, 262, 339
NATIVE = b"II" if sys.byteorder == "little" else b"MM"
UNCOMPRESSED = 1
WHITE_IS_ZERO = 0
UNSIGNED = 1
ROWS_PIXELS = 2**20


def is_deep(mode: str) -> bool:
    return mode in ("I", "F") or mode.startswith("I;")


def bands(image: Image.Image, multiple: int = 1) -> Iterator[tuple[int, Image.Image]]:
    """The picture in strips of whole rows, about a megapixel each, with the first row's number; each strip but the last
    has a `multiple` of rows."""
    rows = max(1, ROWS_PIXELS // image.width // multiple) * multiple
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def shader(image: Image.Image) -> tuple[Callable[[Image.Image], Image.Image], str]:
    """A function from rows of the deep `image` to rows of 8-bit shades; and their mode, L or LA."""
    values = _values(image)
    low, high = _range(image, values)
    if _tag(image, PHOTOMETRIC, 1) == WHITE_IS_ZERO:
        low, high = high, low
    key = image.info.get("transparency") if image.mode.startswith("I;") else None

    def scaled(deep: NDArray[np.generic]) -> NDArray[np.uint8]:
        finite = np.nan_to_num(
            deep.astype(np.float64), nan=min(low, high), posinf=max(low, high), neginf=min(low, high)
        )
        return np.rint((finite - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)

    table = scaled(np.arange(2**16)) if image.mode.startswith("I;") else None  # ten times faster

    def shades(rows: Image.Image) -> Image.Image:
        deep = values(rows)
        grey = Image.fromarray(scaled(deep) if table is None else table[deep])
        if not isinstance(key, int):
            return grey
        return Image.merge("LA", (grey, Image.fromarray(np.where(deep == key, 0, 255).astype(np.uint8))))

    return shades, "LA" if isinstance(key, int) else "L"


def _values(image: Image.Image) -> Callable[[Image.Image], NDArray[np.generic]]:
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or image.mode.startswith("I;"):
        return np.asarray
    bits = _tag(image, BITS, 0)
    # Pillow puts unsigned 32-bit numbers into signed ones
    unsigned = image.mode == "I" and bits == 32 and _tag(image, SAMPLE_FORMAT, UNSIGNED) == UNSIGNED
    # and swaps the bytes of compressed big-endian numbers, which libtiff has swapped already
    swapped = image.tag_v2.prefix != NATIVE and _tag(image, COMPRESSION, UNCOMPRESSED) != UNCOMPRESSED

    def values(rows: Image.Image) -> NDArray[np.generic]:
        numbers: NDArray[np.generic] = np.asarray(rows)
        if unsigned:
            numbers = numbers.view(np.uint32)
        elif image.mode == "I" and bits == 16:
            numbers = numbers.astype(np.int16)
        return numbers.byteswap() if swapped else numbers

    return values


def _range(image: Image.Image, values: Callable[[Image.Image], NDArray[np.generic]]) -> tuple[float, float]:
    if image.mode.startswith("I;"):
        return 0.0, 2.0 ** min(_tag(image, BITS, 16), 16) - 1
    low, high = np.inf, -np.inf
    for _, rows in bands(image):
        numbers = values(rows).astype(np.float64)
        numbers = numbers[np.isfinite(numbers)]
        if numbers.size:
            low, high = min(low, float(numbers.min())), max(high, float(numbers.max()))
    for full in (1.0,) if image.mode == "F" else (255.0, 65535.0):
        if low >= 0 and high <= full:
            return 0.0, full
    return (low, high) if low < high else (low - 1, low + 1)


def _tag(image: Image.Image, tag: int, default: int) -> int:
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return default
    value = image.tag_v2.get(tag, default)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else default
