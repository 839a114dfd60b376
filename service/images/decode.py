"""The way of the bytes: size, format, header, pixels, colours, upright."""

import struct
import zlib
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from service.errors import ImageTooLarge, ImageTruncated, ImageUnreadable
from service.images.colour import BIT_DEPTH
from service.images.evidence import check_gif, check_jpeg, check_png, cut_short
from service.images.exif import orientation
from service.images.formats import open_image, sniff
from service.images.memory import LARGE_BYTES, LargePicture, decoding_bytes, one_large_at_a_time
from service.images.metadata import check_stored, check_unpacked
from service.images.picture import DEFAULT_LIMITS, ImageLimits, Picture
from service.images.png_rows import lacks_rows
from service.images.upright import reduction, upright

# Each pass of a progressive JPEG costs a walk over all of its pixels. Usual are 10
MAX_SCANS = 200
MAX_SCANNED_PIXELS = 2_500_000_000
# What the readers raise on damaged files
FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,  # where warnings are errors
    struct.error,
    zlib.error,
)


class Decode(Protocol):
    """What `decode` is, here or in a process of its own."""

    def __call__(self, data: bytes, limits: ImageLimits = DEFAULT_LIMITS, small_only: bool = False) -> Picture: ...


class _Shown(NamedTuple):
    rgb: NDArray[np.uint8]
    width: int
    height: int


def decode(data: bytes, limits: ImageLimits = DEFAULT_LIMITS, small_only: bool = False) -> Picture:
    """Decode the bytes of one image; of an animation the first frame that is not blank (of one colour).

    Safe to call from several threads; those with pictures that take much memory wait for each other.

    Args:
        small_only: raise LargePicture, by the header, where another thread might have to be waited for.

    Raises:
        ImageUnsupported: no allowed format, judged by content.
        ImageTooLarge: too many bytes, of metadata too, or pixels by the header.
        ImageTruncated: the file ends too early.
        ImageUnreadable: damaged.
    """
    name = judge(data, limits)
    try:
        shown = _decode(name, data, limits, small_only)
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(f"At most {limits.max_pixels} pixels are allowed. {error}") from error
    except FAILURES as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        if cut_short(name, data):
            raise ImageTruncated(f"The {name.upper()} image is cut short after {len(data)} bytes: {reason}.") from error
        raise ImageUnreadable(f"The {name.upper()} image is damaged or of a rare kind: {reason}.") from error
    return Picture(*shown, name)


def judge(data: bytes, limits: ImageLimits) -> str:
    """The format's name, by the first bytes alone.

    Raises ImageTruncated, ImageTooLarge, ImageUnsupported, or ImageUnreadable where there is nothing.
    """
    if not data:
        raise ImageUnreadable("The image is empty: 0 bytes.")
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(f"The image has {len(data)} bytes; at most {limits.max_bytes} are allowed.")
    return sniff(data, limits.formats)


def _decode(name: str, data: bytes, limits: ImageLimits, small_only: bool) -> _Shown:
    if name == "png":
        check_png(data)
    if name == "jpeg":
        check_jpeg(data)
    if name == "gif":
        check_gif(data)
    scans = data.count(b"\xff\xda") if name == "jpeg" else 0
    if scans > MAX_SCANS:
        raise ImageTooLarge(f"The JPEG image has {scans} scans; at most {MAX_SCANS} are allowed.")
    check_stored(name, data, limits.max_metadata_bytes)
    with open_image(name, data) as image:
        _check_pixels(image, limits)
        check_unpacked(name, image.info, limits.max_metadata_bytes)
        if name == "png":
            image.info[BIT_DEPTH] = data[24]
        if scans * image.width * image.height > MAX_SCANNED_PIXELS:
            raise ImageTooLarge(
                f"The JPEG image has {scans} scans, too many for {image.width} x {image.height} pixels."
            )
        by = reduction(*image.size, limits.working_pixels)
        needed = decoding_bytes(image, data, by)
        if small_only and needed >= LARGE_BYTES:
            raise LargePicture
        with one_large_at_a_time(needed):
            if name != "heif" and name != "tiff" and getattr(image, "is_animated", False):
                return _first_not_blank(image, limits)
            shown = _show(image, limits)
            if name == "png" and lacks_rows(image, data):
                raise ImageUnreadable("The PNG image is damaged: it holds fewer rows than its header says.")
            return shown


def _first_not_blank(image: ImageFile.ImageFile, limits: ImageLimits) -> _Shown:
    first = shown = _show(image, limits)
    pixels = 0
    for frame in range(1, limits.max_frames):
        if not _is_blank(shown.rgb):
            return shown
        try:
            image.seek(frame)
        except EOFError:
            break
        pixels += image.width * image.height
        if pixels > limits.max_pixels:
            break
        shown = _show(image, limits)
    return first if _is_blank(shown.rgb) else shown


def _is_blank(rgb: NDArray[np.uint8]) -> bool:
    return bool((rgb.min(axis=(0, 1)) == rgb.max(axis=(0, 1))).all())


def _check_pixels(image: Image.Image, limits: ImageLimits) -> None:
    width, height = image.size
    if width * height > limits.max_pixels:
        raise ImageTooLarge(
            f"The image has {width} x {height} = {width * height} pixels; at most {limits.max_pixels} are allowed."
        )


def _show(image: ImageFile.ImageFile, limits: ImageLimits) -> _Shown:
    """Load the current frame and lay it out upright."""
    _check_pixels(image, limits)
    full = image.size
    by = reduction(*full, limits.working_pixels)
    # At a part of its size a JPEG is decoded without most of the work
    drafted = by > 1 and image.format == "JPEG" and image.draft(None, (full[0] // by, full[1] // by)) is not None
    image.load()
    if not drafted:
        _check_pixels(image, limits)  # a HEIF's header may have said less than it holds
        full = image.size
        by = reduction(*full, limits.working_pixels)
    # Pillow has turned TIFF pictures itself, libheif has turned HEIF ones
    turn = 1 if image.format in ("TIFF", "HEIF") else orientation(image.info)
    rgb = upright(image, turn, 1 if drafted else by)
    return _Shown(rgb, *(full[::-1] if turn >= 5 else full))
