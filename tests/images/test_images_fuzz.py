"""Damaged files end as an ImageError, whatever the damage."""

import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from image_files import colours, linear_grey_profile, saved
from PIL import Image, ImageCms

from service.errors import ImageError
from service.images import ImageLimits, Picture, decode

RGB = Image.fromarray(colours())
RGBA = Image.fromarray(np.dstack([colours(), colours()[..., 0]]))
GREY = colours()[..., 0]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
EXIF = Image.Exif()
EXIF[274] = 6
EXIF[282] = 72.0
MORE: dict[str, object] = {"exif": EXIF.tobytes(), "icc_profile": SRGB}
FILES = {
    "jpeg": saved(RGB, "JPEG", **MORE),
    "progressive jpeg": saved(RGB, "JPEG", progressive=True),
    "cmyk jpeg": saved(RGB.convert("CMYK"), "JPEG"),
    "mpo": saved(RGB, "MPO", save_all=True, append_images=[RGB]),
    "png": saved(RGBA, "PNG", **MORE),
    "palette png": saved(RGB.quantize(8), "PNG", transparency=b"\0\x80"),
    "deep png": saved(Image.fromarray(GREY.astype(np.uint16) * 257), "PNG", icc_profile=linear_grey_profile()),
    "apng": saved(RGB.point(lambda _: 0), "PNG", save_all=True, append_images=[RGB]),
    "gif": saved(RGB.point(lambda _: 0), "GIF", save_all=True, append_images=[RGB.quantize(16)]),
    "webp": saved(RGBA, "WEBP", **MORE),
    "animated webp": saved(RGB.point(lambda _: 0), "WEBP", save_all=True, append_images=[RGB]),
    "bmp": saved(RGB, "BMP"),
    "run-length bmp": saved(RGB.quantize(16), "BMP"),
    "tiff": saved(RGB, "TIFF", **MORE),
    "big tiff": saved(RGB, "TIFF", big_tiff=True),
    "lzw tiff": saved(RGB, "TIFF", compression="tiff_lzw"),
    "jpeg tiff": saved(RGB, "TIFF", compression="jpeg"),
    "fax tiff": saved(RGB.convert("1"), "TIFF", compression="group4"),
    "lab tiff": saved(RGB.convert("LAB"), "TIFF"),
    "float tiff": saved(Image.fromarray(GREY.astype(np.float32)), "TIFF"),
    "whole tiff": saved(Image.fromarray(GREY.astype(np.int32)), "TIFF"),
    "avif": saved(RGBA, "AVIF", **MORE),
    "heif": saved(RGBA, "HEIF", **MORE),
}
LIMITS = ImageLimits(max_pixels=1_000_000)


def judge(data: bytes) -> None:
    """Either a picture or an ImageError; pytest has turned warnings into errors."""
    try:
        result: Picture | ImageError = decode(data, LIMITS)
    except ImageError as error:
        result = error
    assert result.rgb.size if isinstance(result, Picture) else result.detail


def with_right_checksums(data: bytes) -> bytes:
    """Damage behind a right checksum gets past the first gate of PNG."""
    out, at = bytearray(data), 8
    while at + 12 <= len(data) and (end := at + 12 + int.from_bytes(data[at : at + 4], "big")) <= len(data):
        out[end - 4 : end] = zlib.crc32(data[at + 4 : end - 4]).to_bytes(4, "big")
        at = end
    return bytes(out)


PIECES = st.sampled_from([b"\0", b"\1", b"\x7f", b"\x80", b"\xff", b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff"])
PLACES = st.one_of(st.integers(0, 60), st.integers(0, 400), st.integers(0, 10**5))
EDITS = st.lists(st.tuples(PLACES, st.integers(0, 8), st.one_of(PIECES, st.binary(max_size=8))), min_size=1, max_size=6)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edits=EDITS, repair=st.booleans())
def test_damaged_files(name: str, edits: list[tuple[int, int, bytes]], repair: bool) -> None:
    data = FILES[name]
    for place, removed, piece in edits:
        at = place % len(data)
        data = data[:at] + piece + data[at + removed :] or b"\0"
    judge(with_right_checksums(data) if repair and data.startswith(b"\x89PNG") else data)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=20, deadline=None)
@given(tail=st.binary(max_size=200), kept=st.integers(4, 40))
def test_beginnings_with_garbage_behind(name: str, tail: bytes, kept: int) -> None:
    judge(FILES[name][:kept] + tail)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300))
def test_random_bytes(data: bytes) -> None:
    judge(data)
