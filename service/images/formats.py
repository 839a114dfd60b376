"""Which formats are let in: told by their first bytes, each opened by exactly one reader."""

import io
import re
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from PIL import ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pillow_heif import HeifImageFile

from service.errors import ImageTruncated, ImageUnsupported

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "jpeg": "image/jpeg",
        "png": "image/png",
        "webp": "image/webp",
        "gif": "image/gif",
        "bmp": "image/bmp",
        "tiff": "image/tiff",
        "avif": "image/avif",
        "heif": "image/heif",
    }
)
MAGIC: Mapping[bytes, str] = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",  # BigTIFF
    b"MM\0+": "tiff",
}
AVIF_BRANDS = {b"avif", b"avis"}
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
OPEN_BRANDS = {b"mif1", b"msf1"}  # the container's own brands, which say nothing of the codec
BITS, PLANES, SEPARATE = 258, 284, 2  # TIFF's
BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}


class _Jpeg(JpegImageFile):
    """Not Pillow's factory, which also reads the index of a phone's further pictures (MPO) and fails if it is bad."""

    def _read_dpi_from_exif(self) -> None:
        """Leave the EXIF data alone: the density is of no use, and damaged data would warn or raise."""


def _avif(file: io.BytesIO) -> AvifImageFile:
    # Pillow raises on damaged EXIF data; AVIF's orientation is a property of its own, so nothing else is lost
    return AvifImageFile(io.BytesIO(re.sub(rb"(infe.{8}(?:..)?)Exif", rb"\1skip", file.getvalue(), flags=re.DOTALL)))


def _tiff(file: io.BytesIO) -> TiffImageFile:
    image = TiffImageFile(file)
    if image.tag_v2.get(PLANES) == SEPARATE and set(image.tag_v2.get(BITS, ())) == {16} and not image.use_load_libtiff:
        # Pillow takes separate 16-bit planes for 8-bit ones
        order = ";16L" if image.tag_v2.prefix == b"II" else ";16B"
        image.tile = [tile._replace(args=(tile.args[0] + order, *tile.args[1:])) for tile in image.tile if tile.args]
    return image


READERS: Mapping[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "jpeg": _Jpeg,
    "png": PngImageFile,
    "webp": WebPImageFile,
    "gif": GifImageFile,
    "bmp": BmpImageFile,
    "tiff": _tiff,
    "avif": _avif,
    "heif": HeifImageFile,
}


def sniff(data: bytes, allowed: Sequence[str] = tuple(FORMATS)) -> str:
    """The format's name (one of `allowed`) by content.

    Raises ImageTruncated if there is too little to tell, ImageUnsupported for everything else that is not allowed.
    """
    name = _told(data)
    if name in allowed:
        return name
    found = f"a {name.upper()} image, which is not allowed here" if name else "not an image of an allowed format"
    raise ImageUnsupported(f"The bytes are {found}. Allowed are: {', '.join(allowed)}.")


def _told(data: bytes) -> str:
    """A key of FORMATS, or nothing. Raises ImageTruncated."""
    for magic, name in MAGIC.items():
        if data.startswith(magic):
            return name
        if len(data) > 1 and magic.startswith(data):
            raise ImageTruncated(f"The {name.upper()} image is cut short after {len(data)} bytes.")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:2] == b"BM" and (len(data) < 18 or int.from_bytes(data[14:18], "little") in BMP_HEADERS):
        return "bmp"
    return _by_brand(data) if data[4:8] == b"ftyp" else ""


def _by_brand(data: bytes) -> str:
    major = data[8:12]
    box = data[16 : min(int.from_bytes(data[:4], "big"), 1024)]
    compatible = {box[at : at + 4] for at in range(0, len(box), 4)}
    if major in AVIF_BRANDS or (major in OPEN_BRANDS and compatible & AVIF_BRANDS):
        return "avif"
    return "heif" if major in HEIC_BRANDS | OPEN_BRANDS else ""


def open_image(format_name: str, data: bytes) -> ImageFile.ImageFile:
    """Read the header, no pixels. Raises whatever the reader raises."""
    _hush()
    return READERS[format_name](io.BytesIO(data))


_PILLOW = re.compile(r"PIL\.")
_hushing = threading.Lock()


def _hush() -> None:
    """Ignore warnings raised inside Pillow: they tell of damage in metadata, which is of no use to anyone here.

    One filter for the whole process and for Pillow's modules only: it is added at the first call, and again only
    if someone took it away. Filters set and reset per call would race between threads.
    """
    with _hushing:
        if not any(rule[0] == "ignore" and rule[3] == _PILLOW for rule in warnings.filters):
            warnings.filterwarnings("ignore", module=_PILLOW.pattern)
