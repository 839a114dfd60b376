"""Large pictures in any format are reduced; and those that take much memory are decoded one at a time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_files import FILES, IMAGE, exif, saved, stored
from PIL import Image, ImageCms

from service.images import ImageLimits, LargePicture, decode
from service.images.formats import open_image
from service.images.memory import LARGE_BYTES, decoding_bytes, one_large_at_a_time
from service.images.upright import DIRECT_PIXELS, MOST_PIXELS, SHORTEST_SIDE, reduction, upright

SMALL = ImageLimits(working_pixels=1)


def photo(width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x % 251, y % 241, (x // 7 + y // 5) % 256], axis=-1).astype(np.uint8)


def means(rgb: np.ndarray, by: int) -> np.ndarray:
    height, width = rgb.shape[:2]
    rows = np.arange(0, height, by), np.arange(0, width, by)
    sums = np.add.reduceat(np.add.reduceat(rgb.astype(np.float64), rows[0], axis=0), rows[1], axis=1)
    counts = np.minimum(by, height - rows[0])[:, None] * np.minimum(by, width - rows[1])[None]
    return sums / counts[..., None]


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_png_is_reduced_to_the_mean_of_squares(orientation: int) -> None:
    rgb = photo(2055, 2049)
    data = saved(Image.fromarray(stored(rgb, orientation)), "PNG", exif=exif(orientation), compress_level=1)
    picture = decode(data, SMALL)
    assert (picture.width, picture.height) == (2055, 2049)
    assert picture.rgb.shape == (1025, 1028, 3)
    if orientation == 1:
        assert np.abs(picture.rgb - means(rgb, 2)).max() <= 0.51
    assert np.abs(picture.rgb[8:-8, 8:-8].astype(float).mean() - rgb[16:-16, 16:-16].mean()) < 1


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16"])
def test_other_layouts_are_reduced_after_their_colours_were_found(mode: str) -> None:
    size = (2100, 2050)
    shades = (np.add.outer(np.arange(size[1]) // 8, np.arange(size[0]) // 8) % 256).astype(np.uint8)
    image = Image.fromarray(shades)
    if mode == "I;16":
        image = Image.fromarray(shades.astype(np.uint16) * 257)
    elif mode != "L":
        image = image.convert("RGB").convert(mode)
    data = saved(image, "PNG", compress_level=1)
    full, reduced = decode(data, ImageLimits(working_pixels=10**7)), decode(data, SMALL)
    assert reduced.scale == (2.0, 2.0)
    assert np.abs(reduced.rgb - means(full.rgb, 2)).max() <= 0.51


@pytest.mark.parametrize("file_format", ["WEBP", "TIFF", "BMP", "GIF"])
def test_a_format_without_a_reduced_way_is_reduced_like_a_jpeg(file_format: str) -> None:
    image = Image.new("RGB", (2300, 2050), (200, 100, 0))
    options = {"lossless": True, "method": 0} if file_format == "WEBP" else {}
    other, jpeg = (decode(saved(image, name, **more), SMALL) for name, more in ((file_format, options), ("JPEG", {})))
    assert other.rgb.shape == jpeg.rgb.shape == (1025, 1150, 3)
    assert (other.width, other.height) == (jpeg.width, jpeg.height) == (2300, 2050)


@given(st.integers(1, 200_000), st.integers(1, 200_000), st.integers(1, 10**9))
def test_reduction_keeps_what_it_promises(width: int, height: int, working_pixels: int) -> None:
    by = reduction(width, height, working_pixels)
    assert by in (1, 2, 4, 8)
    assert by == reduction(height, width, working_pixels)
    if width * height <= working_pixels:
        assert by == 1
    if by > 1:
        too_many = width * height > max(working_pixels, MOST_PIXELS) * (by // 2) ** 2
        assert too_many or min(width, height) >= SHORTEST_SIDE * by
    if by < 8:
        assert width * height <= max(working_pixels, MOST_PIXELS) * by**2 or width * height <= working_pixels * by**2


def test_a_long_strip_does_not_stay_whole() -> None:
    assert reduction(1000, 100_000, 4_000_000) == 4
    assert reduction(2000, 3001, 4_000_000) == 1
    assert reduction(4000, 3000, 4_000_000) == 2
    assert reduction(1000, 100_000, 100_000_000) == 1


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_array_straight_from_the_decoder_is_the_one_copied_strip_by_strip(turn: int) -> None:
    rgb = photo(53, 31)
    image = Image.fromarray(stored(rgb, turn))
    grey_in_colour = Image.fromarray(stored(np.repeat(rgb[..., :1], 3, axis=2), turn))
    assert np.array_equal(upright(image, turn, 1), rgb)
    assert np.array_equal(upright(grey_in_colour, turn, 1), upright(grey_in_colour.convert("L"), turn, 1))


def test_many_strips_make_up_the_whole_picture() -> None:
    rgb = photo(2500, 1700)
    assert rgb.shape[0] * rgb.shape[1] > DIRECT_PIXELS
    assert np.array_equal(upright(Image.fromarray(rgb), 1, 1), rgb)


def test_a_profile_kept_from_an_earlier_picture_gives_the_same_colours() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"????", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"????", b"bXYZ", 1)
    files = [saved(IMAGE, "PNG", icc_profile=profile) for profile in (swapped, srgb, swapped + bytes(2**16))]
    first = [decode(data).rgb for data in files]
    assert np.array_equal(first[1], np.asarray(IMAGE))
    assert not np.array_equal(first[0], first[1])
    assert np.array_equal(first[0], first[2])
    with ThreadPoolExecutor(8) as pool:
        for place, rgb in pool.map(lambda place: (place, decode(files[place]).rgb), [0, 1, 2] * 20):
            assert np.array_equal(rgb, first[place])


def test_large_pictures_are_decoded_one_at_a_time_and_small_ones_do_not_wait() -> None:
    entered, leave, second = threading.Event(), threading.Event(), threading.Event()

    def hold() -> None:
        with one_large_at_a_time(LARGE_BYTES):
            entered.set()
            assert leave.wait(10)

    def follow() -> None:
        with one_large_at_a_time(LARGE_BYTES + 1):
            second.set()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(hold)
        assert entered.wait(10)
        waiting = pool.submit(follow)
        with one_large_at_a_time(LARGE_BYTES - 1):
            assert not second.is_set()
        decode(FILES["png"])
        leave.set()
        first.result(10)
        waiting.result(10)
    assert second.is_set()


def test_what_decoding_takes_counts_a_jpegs_coefficients_where_they_are_kept() -> None:
    image = Image.new("RGB", (64, 48))
    pixels = 64 * 48
    with_thumbnail = exif(1)
    with_thumbnail[37500] = saved(Image.new("RGB", (16, 12)), "JPEG", progressive=True)  # a maker's note
    in_one, in_several = 4 * pixels // 16, 4 * pixels // 16 + 6 * pixels
    for name, data, by, expected in (
        ("png", saved(image, "PNG"), 8, 4 * pixels),
        ("jpeg", saved(image, "JPEG"), 4, in_one),
        ("jpeg", saved(image, "JPEG", exif=with_thumbnail), 4, in_one),
        ("jpeg", saved(image, "JPEG") + saved(image, "JPEG"), 4, in_one),
        ("jpeg", saved(image, "JPEG", progressive=True), 4, in_several),
        ("jpeg", first_scan_of_one_component(saved(image, "JPEG")), 4, in_several),
    ):
        with open_image(name, data) as opened:
            assert decoding_bytes(opened, data, by) == expected


def first_scan_of_one_component(data: bytes) -> bytes:
    """The beginning of a baseline JPEG that has a scan for each component."""
    at = data.rindex(b"\xff\xda")
    return data[:at] + bytes.fromhex("ffda 0008 01 0100 003f00")


def test_a_picture_that_would_have_to_wait_is_refused_on_demand() -> None:
    side = int((LARGE_BYTES / 4) ** 0.5)
    small, large = (saved(Image.new("1", (side, height)), "PNG") for height in (side, side + 2))
    assert decode(small, small_only=True).height == side
    with pytest.raises(LargePicture):
        decode(large, small_only=True)
