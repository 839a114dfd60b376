import dataclasses
import os
import struct
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from image_files import (
    FILES,
    IMAGE,
    RGB,
    H,
    W,
    colours,
    exif,
    farthest,
    png,
    png_chunk,
    saved,
    stored,
    tiff,
)
from PIL import Image

import service
from service.images import FORMATS, ImageLimits, Picture, decode


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_told_by_its_content(name: str) -> None:
    picture = decode(FILES[name])
    assert (picture.format, picture.width, picture.height, picture.scale) == (name, W, H, (1.0, 1.0))
    assert picture.rgb.shape == (H, W, 3)
    assert picture.rgb.dtype == np.uint8
    with pytest.raises(ValueError, match="read-only"):
        picture.rgb[0] = 0


def test_picture_checks_itself() -> None:
    rgb = RGB.copy()
    with pytest.raises(ValueError, match="read-only"):
        Picture(rgb, W, H, "png")
    rgb.setflags(write=False)
    assert Picture(rgb, 2 * W, 3 * H, "jpeg").scale == (2.0, 3.0)
    with pytest.raises(ValueError, match="smaller"):
        Picture(rgb, W - 1, H, "png")
    with pytest.raises(ValueError, match="uint8"):
        Picture(rgb[..., 0], W, H, "png")


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(ImageLimits)])
@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_limits_check_themselves(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        dataclasses.replace(ImageLimits(), **{field: value})


def test_several_threads_at_once() -> None:
    expected = {name: decode(data).rgb for name, data in FILES.items()}
    with ThreadPoolExecutor(8) as pool:
        for name, rgb in pool.map(lambda name: (name, decode(FILES[name]).rgb), list(FILES) * 10):
            assert np.array_equal(rgb, expected[name])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
def test_orientation_is_undone_exactly(file_format: str, orientation: int) -> None:
    data = saved(Image.fromarray(stored(RGB, orientation)), file_format, exif=exif(orientation), lossless=True)
    picture = decode(data)
    assert farthest(picture, RGB) == 0
    assert (picture.width, picture.height) == (W, H)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "AVIF", "HEIF"])
def test_orientation_is_undone_in_lossy_formats(file_format: str, orientation: int) -> None:
    blocks = np.repeat(np.repeat(colours(4, 3), 16, axis=0), 16, axis=1)
    image = Image.fromarray(stored(blocks, orientation))
    data = saved(image, file_format, quality=95, exif=exif(orientation).tobytes())
    picture = decode(data)
    assert (picture.width, picture.height) == (64, 48)
    assert np.abs(picture.rgb[8::16, 8::16].astype(int) - blocks[8::16, 8::16]).max() <= 12


@pytest.mark.parametrize("orientation", [3, 6])
def test_orientation_from_imagemagicks_text_in_png(orientation: int) -> None:
    block = exif(orientation).tobytes()
    text = f"\nexif\n{len(block):8}\n{block.hex()}\n".encode()
    chunk = png_chunk(b"tEXt", b"Raw profile type exif\0" + text)
    image = stored(RGB, orientation)
    data = png(image.shape[1], image.shape[0], 8, 2, [row.tobytes() for row in image], chunk)
    assert farthest(decode(data), RGB) == 0


BROKEN_EXIF = [
    b"Exif\0\0",
    b"Exif\0\0garbage",
    b"Exif\0\0II*\0\xff\xff\xff\x7f",
    b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12\0\x05\xff\xff\xff\xff\0\0\0\x08" * 3,
    b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",  # orientation 99
    b"Exif\0\0II+\0\x08\0\0\0" + b"\xff" * 40,
]


@pytest.mark.parametrize("block", BROKEN_EXIF)
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_broken_exif_is_ignored(file_format: str, block: bytes) -> None:
    plain = decode(saved(IMAGE, file_format))
    assert farthest(decode(saved(IMAGE, file_format, exif=block)), plain.rgb) == 0


def test_broken_exif_is_ignored_in_avif() -> None:
    block = exif(6)
    block[305] = "software"
    data = saved(IMAGE, "AVIF", exif=block.tobytes())
    at = max(data.rfind(mark, 0, data.index(b"software")) for mark in (b"II*\0", b"MM\0*"))
    assert farthest(decode(data[:at] + b"garbage!" + data[at + 8 :]), decode(data).rgb) == 0


def test_bad_metadata_in_tiff_is_ignored() -> None:
    tags = {256: W, 257: H, 258: [8, 8, 8], 259: 1, 262: 2, 277: 3, 278: H, 40000: list(range(7, 19))}
    data = tiff(tags, [RGB.tobytes()])
    at = data.index(struct.pack("<HHI", 40000, 3, 12))
    for offset, length in ((len(data) - 3, 12), (8, 10**6)):  # runs over the end; is larger than the file
        assert farthest(decode(data[: at + 4] + struct.pack("<II", length, offset) + data[at + 12 :]), RGB) == 0


def test_bad_animation_header_in_png_is_ignored() -> None:
    rows = [row.tobytes() for row in RGB]
    for chunk in (png_chunk(b"acTL", bytes(8)), png_chunk(b"acTL", b"\0\0\0\2" + bytes(4)) * 2):
        assert farthest(decode(png(W, H, 8, 2, rows, chunk)), RGB) == 0


def test_other_warnings_are_left_alone() -> None:
    decode(FILES["png"])
    with pytest.raises(UserWarning, match="mine"):
        warnings.warn("mine", stacklevel=1)


def test_nothing_is_registered_with_pillow() -> None:
    code = (
        "import PIL.Image, service.images as s, sys; s.decode(sys.stdin.buffer.read()); print('HEIF' in PIL.Image.OPEN)"
    )
    env = os.environ | {"PYTHONPATH": str(Path(service.__file__).parents[1])}
    out = subprocess.run([sys.executable, "-c", code], input=FILES["heif"], capture_output=True, check=True, env=env)
    assert out.stdout.strip() == b"False"
