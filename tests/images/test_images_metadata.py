"""What a file holds besides its pixels is counted before any pixel is decoded."""

import struct
import time

import pytest
from image_files import FILES, IMAGE, RGB, H, W, png, png_chunk, saved, tiff
from PIL import Image, PngImagePlugin

from service.engine import image_limits
from service.errors import ImageTooLarge, ImageUnreadable, ImageUnsupported, SettingsError
from service.images import FORMATS, ImageLimits, decode
from service.images.exif import orientation
from service.settings import load_settings

BIG = 30_000  # bytes
NOISE = bytes(number * 7919 % 251 for number in range(BIG))
PIXELS = [row.tobytes() for row in RGB]


def text(**texts: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for name, value in texts.items():
        info.add_text(name, value, zip=True)
    return info


def with_exif_directory() -> bytes:
    """A TIFF file whose directory refers to one for EXIF, which has a tag of BIG bytes."""
    unset = 10**9
    tags = {256: W, 257: H, 258: [8] * 3, 259: 1, 262: 2, 277: 3, 278: H, 34665: unset}
    plain = tiff(tags, [RGB.tobytes()])
    entry = struct.pack("<HHHIII", 1, 37500, 7, BIG, len(plain) + 18, 0)
    return plain.replace(struct.pack("<I", unset), struct.pack("<I", len(plain))) + entry + NOISE


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    plain = FILES["webp"]
    body = plain[12:] + b"".join(name + struct.pack("<I", len(content)) + content for name, content in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


WITH_MUCH = {
    "jpeg exif": saved(IMAGE, "JPEG", exif=b"Exif\0\0" + NOISE),
    "jpeg icc": saved(IMAGE, "JPEG", icc_profile=NOISE),
    "jpeg xmp": saved(IMAGE, "JPEG", xmp=NOISE),
    "jpeg comment": saved(IMAGE, "JPEG", comment=NOISE),
    "png exif": saved(IMAGE, "PNG", exif=b"Exif\0\0" + NOISE),
    "png icc": saved(IMAGE, "PNG", icc_profile=NOISE * 4),
    "png text, packed": saved(IMAGE, "PNG", pnginfo=text(much="a" * BIG)),
    "png private": png(W, H, 8, 2, PIXELS, png_chunk(b"prIv", NOISE)),
    "webp exif": saved(IMAGE, "WEBP", exif=b"Exif\0\0" + NOISE),
    "webp xmp": riff((b"XMP ", NOISE)),
    "gif comment": saved(IMAGE, "GIF", comment=NOISE),
    "tiff tag": saved(IMAGE, "TIFF", icc_profile=NOISE),
    "tiff exif": with_exif_directory(),
    "avif xmp": saved(IMAGE, "AVIF", xmp=NOISE),
    "avif icc": saved(IMAGE, "AVIF", icc_profile=NOISE),
    "heif exif": saved(IMAGE, "HEIF", exif=b"Exif\0\0II*\0" + NOISE),
    "heif xmp": saved(IMAGE, "HEIF", xmp=NOISE),
}


@pytest.mark.parametrize("name", WITH_MUCH)
def test_metadata_is_limited(name: str) -> None:
    data, kind = WITH_MUCH[name], name.split()[0]
    with pytest.raises(ImageTooLarge, match=rf"{kind.upper()} image has \d+ bytes of metadata .* most {BIG // 2} "):
        decode(data, ImageLimits(max_metadata_bytes=BIG // 2))
    assert decode(data, ImageLimits(max_metadata_bytes=6 * BIG)).format == kind


@pytest.mark.parametrize("name", FORMATS)
def test_files_with_little_of_it_are_let_in(name: str) -> None:
    assert decode(FILES[name], ImageLimits(max_metadata_bytes=1024)).format == name


def test_what_lies_behind_the_end_of_a_png_is_none_of_it() -> None:
    assert decode(FILES["png"] + b"some bytes that name no chunk", ImageLimits(max_metadata_bytes=1024)).width == W


def test_pixels_and_further_frames_are_none_of_it() -> None:
    limits = ImageLimits(max_metadata_bytes=1024)
    noise = Image.frombytes("RGB", (100, 100), NOISE)
    for file_format in ("PNG", "GIF", "WEBP"):
        data = saved(noise, file_format, save_all=True, append_images=[noise.rotate(90)], lossless=True)
        assert decode(data, limits).width == 100
    assert decode(tiff({256: 100, 257: 100, 258: [8] * 3, 259: 1, 262: 2, 277: 3, 278: 100}, [NOISE]), limits).width


def test_metadata_is_judged_before_the_pixels() -> None:
    broken = png(W, H, 8, 2, [b""], png_chunk(b"eXIf", NOISE))
    with pytest.raises(ImageTooLarge):
        decode(broken, ImageLimits(max_metadata_bytes=BIG // 2))
    with pytest.raises(ImageUnreadable):
        decode(broken)


def shared_values(tags: int, values: int) -> bytes:
    """EXIF data whose tags all refer to the same many numbers."""
    entries = b"".join(struct.pack("<HHII", 1000 + tag, 3, values, 10 + 12 * tags) for tag in range(tags))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", tags) + entries + bytes(2 * values)


def test_tags_that_share_their_values_cost_no_more_than_one() -> None:
    block = shared_values(5000, 2_000_000)
    start_s = time.process_time()
    assert orientation({"exif": block}) == 1
    assert time.process_time() - start_s < 1  # 10,000,000,000 numbers


@pytest.mark.parametrize("allowed", [("png",), ("jpeg", "heif"), tuple(FORMATS)])
def test_only_the_allowed_formats_are_let_in(allowed: tuple[str, ...]) -> None:
    limits = ImageLimits(formats=allowed)
    for name, data in FILES.items():
        if name in allowed:
            assert decode(data, limits).format == name
            continue
        with pytest.raises(ImageUnsupported, match=f"{name.upper()} image, which is not allowed.*{', '.join(allowed)}"):
            decode(data, limits)


@pytest.mark.parametrize("formats", [(), ("png", "psd"), ["png"], "png"])
def test_formats_that_are_not_known_are_no_limits(formats: object) -> None:
    with pytest.raises(ValueError, match="formats"):
        ImageLimits(formats=formats)


def test_the_setting_names_formats_or_stops_the_start() -> None:
    assert image_limits(load_settings()).formats == tuple(FORMATS)
    limits = image_limits(load_settings(formats="png, jpeg", max_metadata_bytes=2000))
    assert (limits.formats, limits.max_metadata_bytes) == (("png", "jpeg"), 2000)
    with pytest.raises(SettingsError, match=r"L2R2_FORMATS: 'psd' is not known; known: jpeg, png"):
        image_limits(load_settings(formats="png,psd"))
