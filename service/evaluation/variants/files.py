"""Files that are whole or not there, and that carry the digest of what they were made from."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from service.errors import FieldProblem, FileUnreadable, InvalidFields, OutputRefused
from service.evaluation.whole_files import UNFINISHED, write_whole
from service.recognition.views import Mask, Pixels

SUFFIXES: Mapping[str, str] = MappingProxyType({"png": ".png", "jpeg": ".jpg"})
VERSION = 1  # another one whenever the same input makes other pictures or findings
HEAD_BYTES = 1024  # both formats carry the digest before the pixels
JPEG_QUALITY = 95


def check_format(name: str) -> str:
    """Raises InvalidFields for a format that is not in SUFFIXES."""
    if name not in SUFFIXES:
        raise InvalidFields(FieldProblem("format", f"{name!r} is not known", tuple(SUFFIXES)))
    return name


def digest_of(*parts: Any) -> str:
    """64 hexadecimal digits for values that JSON can hold."""
    return hashlib.sha256(json.dumps([VERSION, *parts]).encode()).hexdigest()


def encoded(pixels: Pixels | Mask, format_name: str, digest: str) -> bytes:
    """A picture file with `digest` in its head. PNG keeps every pixel; JPEG is of high quality with full colour."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if format_name == "png":
        text = PngInfo()
        text.add_text("made-from", digest)
        image.save(buffer, "PNG", pnginfo=text)
    else:
        image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling="4:4:4", comment=digest.encode())
    return buffer.getvalue()


def is_made_from(path: Path, digest: str) -> bool:
    """Whether there is a file at `path` that carries `digest`."""
    try:
        with path.open("rb") as file:
            return digest.encode() in file.read(HEAD_BYTES)
    except OSError:
        return False


def read(path: Path) -> bytes:
    """Raises: FileUnreadable."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileUnreadable(f"{path} cannot be read: {error.strerror}") from None


def write(path: Path, data: bytes) -> None:
    """Put `data` at `path`, folders included: whole or, whatever happens, not at all.

    Raises:
        OutputRefused: the file system refuses.
    """
    try:
        write_whole(path, data)
    except OSError as error:
        raise OutputRefused(f"{path} cannot be written: {error.strerror}") from None


def prepare(folder: Path, *outdated: str) -> None:
    """Make `folder`, and rid it of the named files and of what a killed process left behind.

    Raises:
        OutputRefused: the file system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in (*folder.rglob(UNFINISHED), *(folder / name for name in outdated)):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputRefused(f"{folder} cannot be written: {error.strerror}") from None
