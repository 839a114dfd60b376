"""What a row of the table is, and the picture that the good ones show: two rows of three cells of one colour each."""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

from service.errors import ImageTooLarge, ImageTruncated, ImageUnreadable, ImageUnsupported, ServiceError
from service.images import Picture

Array = NDArray[np.uint8]
CELL = 16  # pixels, so that every block of a JPEG has one colour
WIDTH, HEIGHT = 3 * CELL, 2 * CELL
CELLS: Array = np.array(
    [[[220, 30, 30], [180, 20, 20], [30, 160, 40]], [[230, 120, 30], [200, 40, 120], [40, 40, 180]]], np.uint8
)
GREYS: Array = np.array([[0, 50, 100], [150, 200, 255]], np.uint8)
MID_GREY = 128  # behind everything transparent
RED = "red"  # what CELLS are most like, of red, green and blue


def spread(cells: NDArray[np.generic], cell: int = CELL) -> NDArray[np.generic]:
    """Pixels of an array of cells, [rows, columns] or [rows, columns, channels]."""
    return cells.repeat(cell, axis=0).repeat(cell, axis=1)


RGB: Array = spread(CELLS)  # type: ignore[assignment]
PICTURE = Image.fromarray(RGB)
GREY = Image.fromarray(spread(GREYS))
BLANK = Image.new("RGB", PICTURE.size, (9, 9, 9))


def grey_cells(greys: NDArray[np.generic]) -> Array:
    return np.repeat(np.rint(greys).astype(np.uint8)[..., None], 3, axis=2)


@dataclass(frozen=True, eq=False)
class Shown:
    """It is read: so many pixels of the upright original, and these cells of equal size, each channel within
    `tolerance` of 255 levels in the mean of a cell's inner part. `label`: the class that the picture is given."""

    cells: Array = field(default_factory=lambda: CELLS)
    width: int = WIDTH
    height: int = HEIGHT
    tolerance: float = 4
    label: str | None = RED

    def check(self, picture: Picture) -> None:
        assert (picture.width, picture.height) == (self.width, self.height)
        rows, columns = self.cells.shape[:2]
        height, width = picture.rgb.shape[:2]
        for row in range(rows):
            for column in range(columns):
                ys, xs = _inner(row, height / rows), _inner(column, width / columns)
                found = picture.rgb[ys, xs].mean(axis=(0, 1))
                expected = self.cells[row, column]
                assert np.abs(found - expected).max() <= self.tolerance, (row, column, found, expected)


def _inner(place: int, length: float) -> slice:
    """Of the cell at that place, without its edge where it has any to spare."""
    edge = length / 4 if length >= 4 else 0
    return slice(int(place * length + edge), max(int((place + 1) * length - edge), int(place * length + edge) + 1))


@dataclass(frozen=True)
class Refused:
    """It is refused with this error, whose detail holds the word."""

    error: type[ServiceError]
    word: str

    def check(self, error: ServiceError) -> None:
        assert type(error) is self.error, error
        assert self.word in error.detail, error.detail


@dataclass(frozen=True, eq=False)
class Nasty:
    """A file of strangers. `make` is called once, when the row is needed."""

    name: str
    make: Callable[[], bytes]
    expected: Shown | Refused


def damaged(word: str = "damaged") -> Refused:
    return Refused(ImageUnreadable, word)


CUT_SHORT = Refused(ImageTruncated, "cut short")
TOO_MANY_PIXELS = Refused(ImageTooLarge, "pixels")
UNSUPPORTED = Refused(ImageUnsupported, "not an image of an allowed format")
GREY_SHOWN = Shown(grey_cells(GREYS), label=None)


def saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    out = io.BytesIO()
    if file_format == "HEIF":
        pillow_heif.from_pillow(image).save(out, quality=-1, **options)
    else:
        image.copy().save(out, file_format, **options)  # one format's choices would stay with the picture
    return out.getvalue()


WRITERS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 95},
    "PNG": {},
    "WEBP": {"lossless": True, "exact": True},
    "GIF": {},
    "BMP": {},
    "TIFF": {},
    "AVIF": {"quality": 95},
    "HEIF": {},
}


def written(file_format: str, image: Image.Image = PICTURE, **options: object) -> bytes:
    """In good quality."""
    return saved(image, file_format, **{**WRITERS[file_format], **options})


def patched(data: bytes, at: int, piece: bytes) -> bytes:
    assert 0 <= at <= len(data) - len(piece)
    return data[:at] + piece + data[at + len(piece) :]


def jpeg_segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def with_segment(jpeg: bytes, *segments: bytes) -> bytes:
    """Behind a JPEG's first marker."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]
