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
from image_files import Array, colours, farthest, png, png_chunk, saved, tiff
from PIL import Image

import service
from service.errors import ImageTooLarge, ImageTruncated, ImageUnreadable, ImageUnsupported
from service.images import FORMATS, ImageLimits, Picture, decode

RGB = colours()
H, W = RGB.shape[:2]
IMAGE = Image.fromarray(RGB)
WRITERS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "bmp": "BMP", "tiff": "TIFF", "avif": "AVIF"}
FILES = {name: saved(IMAGE, writer) for name, writer in WRITERS.items()} | {"heif": saved(IMAGE, "HEIF")}


def flat(*rgb: int) -> Image.Image:
    return Image.new("RGB", (W, H), rgb)


# -- what comes out


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


# -- upright


def stored(upright: Array, orientation: int) -> Array:
    """What a camera stores, from the standard's table of where row 0 and column 0 of the stored picture are seen."""
    height, width = upright.shape[:2]
    rows, columns = (width, height) if orientation >= 5 else (height, width)
    r, c = np.mgrid[:rows, :columns]
    right, bottom = width - 1, height - 1
    y, x = {
        1: (r, c),
        2: (r, right - c),
        3: (bottom - r, right - c),
        4: (bottom - r, c),
        5: (c, r),
        6: (c, right - r),
        7: (bottom - c, right - r),
        8: (bottom - c, r),
    }[orientation]
    return upright[y, x]


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[274] = orientation
    return found


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


# -- damage beside the pixels, of which Pillow warns


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


# -- several pictures in one file


def gif_of(*frames: Image.Image) -> bytes:
    return saved(frames[0], "GIF", save_all=True, append_images=list(frames[1:]), optimize=False)


TWO = Image.fromarray(
    np.where(np.arange(W)[None, :, None] < W // 3, [[[250, 10, 10]]], [[[10, 10, 250]]]).astype(np.uint8)
)
TWO = TWO.resize((W, H))


@pytest.mark.parametrize(("file_format", "options"), [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True})])
def test_first_frame_that_is_not_blank(file_format: str, options: dict[str, object]) -> None:
    frames = [flat(0, 0, 0), flat(255, 255, 255), TWO, IMAGE]
    data = saved(frames[0], file_format, save_all=True, append_images=frames[1:], **options)
    assert farthest(decode(data), np.asarray(TWO)) <= 1


def test_first_frame_that_is_not_blank_in_avif() -> None:
    data = saved(flat(0, 0, 0), "AVIF", save_all=True, append_images=[TWO], quality=95)
    assert np.abs(decode(data).rgb[8, [2, 20]].astype(int) - [[250, 10, 10], [10, 10, 250]]).max() < 20


def test_transparent_frame_is_blank() -> None:
    clear = Image.fromarray(np.dstack([RGB, np.zeros((H, W), np.uint8)]))
    data = saved(clear, "PNG", save_all=True, append_images=[TWO.convert("RGBA")], blend=0)
    assert farthest(decode(data), np.asarray(TWO)) == 0


def test_first_frame_if_all_are_blank() -> None:
    assert decode(gif_of(flat(9, 0, 0), flat(0, 9, 0), flat(0, 0, 9))).rgb[0, 0].tolist() == [9, 0, 0]


def test_frames_are_searched_up_to_the_limit() -> None:
    data = gif_of(flat(0, 0, 0), flat(1, 1, 1), flat(2, 2, 2), TWO)
    assert farthest(decode(data, ImageLimits(max_frames=4)), np.asarray(TWO)) == 0
    assert decode(data, ImageLimits(max_frames=3)).rgb.max() == 0
    assert decode(data, ImageLimits(max_pixels=2 * W * H)).rgb.max() == 0


def test_first_page_of_tiff_is_taken_even_if_blank() -> None:
    assert decode(saved(flat(1, 2, 3), "TIFF", save_all=True, append_images=[TWO])).rgb[0, 0].tolist() == [1, 2, 3]


def test_phone_jpeg_with_further_pictures() -> None:
    data = saved(IMAGE, "MPO", save_all=True, append_images=[flat(0, 0, 0)])
    assert farthest(decode(data), decode(FILES["jpeg"]).rgb) == 0
    at = data.index(b"MPF\0")
    broken = data[: at + 4] + b"\xff" * 60 + data[at + 64 :]
    assert farthest(decode(broken), decode(FILES["jpeg"]).rgb) == 0


# -- limits


def test_bytes_are_limited() -> None:
    size = len(FILES["png"])
    decode(FILES["png"], ImageLimits(max_bytes=size))
    with pytest.raises(ImageTooLarge, match=rf"{size} bytes; at most {size - 1} "):
        decode(FILES["png"], ImageLimits(max_bytes=size - 1))


@pytest.mark.parametrize("name", FORMATS)
def test_pixels_are_limited(name: str) -> None:
    decode(FILES[name], ImageLimits(max_pixels=W * H))
    with pytest.raises(ImageTooLarge, match=rf"= {W * H} pixels; at most {W * H - 1} "):
        decode(FILES[name], ImageLimits(max_pixels=W * H - 1))


def test_pixels_are_judged_by_the_header() -> None:
    data = png(60_000, 60_000, 8, 2, [b""])  # there is nothing to decode
    with pytest.raises(ImageTooLarge, match=r"60000 x 60000 = 3600000000 pixels; at most 100000000 "):
        decode(data)


def test_pixels_of_later_frames_are_limited() -> None:
    data = bytearray(gif_of(flat(0, 0, 0), TWO))
    at = data.rindex(b"\x2c\0\0\0\0")
    data[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(ImageTooLarge, match=r"pixels"):
        decode(bytes(data))


def test_size_of_nothing_is_refused() -> None:
    with pytest.raises(ImageUnreadable):
        decode(png(0, 5, 8, 2, [b""] * 5))
    jpeg = bytearray(FILES["jpeg"])
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 2] = b"\0\0"
    with pytest.raises(ImageUnreadable):
        decode(bytes(jpeg))


def test_too_many_scans_are_refused() -> None:
    data = saved(IMAGE, "JPEG", progressive=True)
    at = data.rindex(b"\xff\xda")
    with pytest.raises(ImageTooLarge, match="scans"):
        decode(data[:at] + data[at:-2] * 300 + b"\xff\xd9")


def test_pillows_own_pixel_warning_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", W * H - 1)  # Pillow warns up to twice as many, then raises
    for name in FORMATS:
        decode(FILES[name])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", W * H // 4)
    with pytest.raises(ImageTooLarge, match=rf"At most 100000000 .*{W * H} pixels"):
        decode(FILES["webp"])


# -- refusals


@pytest.mark.parametrize(
    "data",
    [saved(IMAGE, "ICO"), saved(IMAGE, "PPM"), saved(IMAGE, "EPS"), saved(IMAGE, "PDF"), saved(IMAGE, "JPEG2000"),
     saved(IMAGE, "TGA"), saved(IMAGE, "ICNS"), saved(IMAGE, "DDS"),
     b"8BPS\0\1" + bytes(40), b"<svg/>", b"BMX bikes and others",
     b"\0\0\0\x18ftypisom\0\0\0\0isomiso2", b"RIFF\x24\0\0\0WAVEfmt ", b"plain text", b"\0" * 100],
)  # fmt: skip
def test_other_formats_are_refused(data: bytes) -> None:
    with pytest.raises(ImageUnsupported) as refusal:
        decode(data)
    assert all(name in refusal.value.detail for name in FORMATS)


def test_no_bytes() -> None:
    with pytest.raises(ImageUnreadable, match="0 bytes"):
        decode(b"")


VARIANTS = {
    "progressive jpeg": saved(IMAGE, "JPEG", progressive=True),
    "compressed tiff": saved(IMAGE, "TIFF", compression="tiff_lzw"),
    "big tiff": saved(IMAGE, "TIFF", big_tiff=True),
    "animated png": saved(IMAGE, "PNG", save_all=True, append_images=[TWO]),
    "run-length bmp": saved(IMAGE.quantize(16), "BMP"),
}


@pytest.mark.parametrize("name", [*FILES, *VARIANTS])
def test_every_beginning_of_a_file_is_cut_short(name: str) -> None:
    data = (FILES | VARIANTS)[name]
    whole = decode(data)
    for size in range(16, len(data), max(1, len(data) // 150)):
        if name == "gif" and size >= len(data) - 2:  # only the end mark is missing
            assert farthest(decode(data[:size]), whole.rgb) == 0
            continue
        with pytest.raises(ImageTruncated):
            decode(data[:size])


def test_wrong_checksum_in_png() -> None:
    data = bytearray(FILES["png"])
    for at in (20, data.index(b"IDAT") + 20, data.index(b"IEND") - 5):
        damaged = bytearray(data)
        damaged[at] ^= 1
        with pytest.raises(ImageUnreadable, match="checksum"):
            decode(bytes(damaged))


@pytest.mark.parametrize("name", ["jpeg", "webp", "compressed tiff", "avif", "heif"])
def test_garbage_with_a_sound_end_is_not_called_cut_short(name: str) -> None:
    data = bytearray((FILES | VARIANTS)[name])
    start, end = len(data) // 4, len(data) // 4 + 40
    if name == "jpeg":
        start = data.index(b"\xff\xc4") + 4  # the Huffman tables
        end = start + 17
    data[start:end] = b"\xee" * (end - start)
    with pytest.raises(ImageUnreadable):
        decode(bytes(data))


# -- huge JPEGs


def quarters(width: int, height: int) -> Array:
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[: height // 2, : width // 2], rgb[: height // 2, width // 2 :] = (200, 30, 30), (30, 200, 30)
    rgb[height // 2 :, : width // 2], rgb[height // 2 :, width // 2 :] = (30, 30, 200), (220, 220, 40)
    return rgb


@pytest.mark.parametrize(
    ("size", "working_pixels", "by", "orientation"),
    [
        ((2304, 2304), 2304 * 2304, 1, 1),
        ((2304, 2305), 2304 * 2305 - 1, 2, 6),
        ((2304, 2304), 100, 2, 1),
        ((4099, 4101), 100, 4, 6),
        ((2000, 3001), 100, 1, 8),
        ((5000, 2101), 100, 2, 5),
    ],
)
def test_huge_jpeg_is_decoded_reduced(size: tuple[int, int], working_pixels: int, by: int, orientation: int) -> None:
    width, height = size
    upright = quarters(width, height)
    data = saved(Image.fromarray(stored(upright, orientation)), "JPEG", exif=exif(orientation))
    picture = decode(data, ImageLimits(working_pixels=working_pixels))
    assert (picture.width, picture.height) == size
    assert picture.rgb.shape == (-(-height // by), -(-width // by), 3)
    assert picture.scale == pytest.approx((by, by), rel=0.01)
    for y in (0.25, 0.75):
        for x in (0.25, 0.75):
            found = picture.rgb[int(y * picture.rgb.shape[0]), int(x * picture.rgb.shape[1])]
            assert np.abs(found.astype(int) - upright[int(y * height), int(x * width)]).max() <= 4


MEASURE = """
import pathlib, re, resource, sys, time
from service.images import decode
data = sys.stdin.buffer.read()
status = pathlib.Path("/proc/self/status")

def peak_kib():  # what resource tells may be the parent's
    if status.exists():
        return int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before, start = peak_kib(), time.perf_counter()
picture = decode(data)
print((peak_kib() - before) / 1024, time.perf_counter() - start, picture.width * picture.height)
"""


def cost_of(megapixels: int) -> tuple[float, float]:
    """Memory in MiB and seconds that decoding a JPEG takes in a process of its own."""
    side = int((megapixels * 10**6) ** 0.5)
    noise = np.random.default_rng(0).integers(0, 256, (side // 32, side // 32, 3), np.uint8)
    data = saved(Image.fromarray(noise).resize((side, side), Image.Resampling.BILINEAR), "JPEG", quality=85)
    env = os.environ | {"PYTHONPATH": str(Path(service.__file__).parents[1])}
    out = subprocess.run([sys.executable, "-c", MEASURE], input=data, capture_output=True, check=True, env=env).stdout
    memory, seconds, pixels = map(float, out.split())
    assert pixels == side * side
    return memory, seconds


def test_cost_of_a_large_jpeg() -> None:
    memory_mib, seconds = cost_of(25)
    assert 15 < memory_mib < 100
    assert seconds < 1.5


@pytest.mark.slow
def test_cost_of_a_huge_jpeg() -> None:
    memory_mib, seconds = cost_of(100)
    assert 15 < memory_mib < 400
    assert seconds < 1.5


def test_nothing_is_registered_with_pillow() -> None:
    code = (
        "import PIL.Image, service.images as s, sys; s.decode(sys.stdin.buffer.read()); print('HEIF' in PIL.Image.OPEN)"
    )
    env = os.environ | {"PYTHONPATH": str(Path(service.__file__).parents[1])}
    out = subprocess.run([sys.executable, "-c", code], input=FILES["heif"], capture_output=True, check=True, env=env)
    assert out.stdout.strip() == b"False"
