import pytest
from image_files import FILES, IMAGE, TWO, VARIANTS, H, W, farthest, flat, gif_of, png, saved
from PIL import Image

from service.errors import ImageTooLarge, ImageTruncated, ImageUnreadable, ImageUnsupported
from service.images import FORMATS, ImageLimits, decode


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
