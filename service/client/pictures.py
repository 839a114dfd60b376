"""What a caller may give as a picture, as the bytes that are sent."""

import base64
import errno
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from PIL.Image import Image


class ReadableFile(Protocol):
    def read(self) -> bytes: ...


Picture: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | ReadableFile | Image"
PNG_MODES = ("1", "L", "LA", "I;16", "P", "RGB", "RGBA")
ADDRESS = "https://"


def address_of(picture: Picture) -> str | None:
    """The picture's address on the web, where a string is one: the service fetches it, if it does such things."""
    return picture if isinstance(picture, str) and picture.startswith(ADDRESS) else None


def bytes_of(picture: Picture) -> bytes:
    """The encoded picture. An open file is read from where it stands; an image of Pillow's is sent as a PNG file,
    upright.

    Raises:
        OSError: it cannot be read.
        TypeError: it is nothing of all that.
    """
    if isinstance(picture, bytes | bytearray | memoryview):
        return bytes(picture)
    if isinstance(picture, str | os.PathLike):
        try:
            return Path(picture).read_bytes()
        except ValueError as error:  # a NUL in the path
            raise OSError(errno.EINVAL, str(error), os.fspath(picture)) from None
    if hasattr(picture, "read"):
        content = picture.read()
        if not isinstance(content, bytes):
            raise TypeError("the file is open for text; open it with mode 'rb'")
        return content
    if hasattr(picture, "save") and hasattr(picture, "getbands"):
        return _png(picture)
    raise TypeError(f"a picture is a path, bytes, an open file or an image of Pillow's, not {type(picture).__name__}")


def base64_of(picture: Picture) -> str:
    """Raises OSError, TypeError."""
    return base64.b64encode(bytes_of(picture)).decode()


def _png(image: "Image") -> bytes:
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    buffer = io.BytesIO()
    (upright if upright.mode in PNG_MODES else upright.convert("RGB")).save(buffer, "PNG")
    return buffer.getvalue()
