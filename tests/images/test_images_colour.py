import struct

import numpy as np
import pytest
from image_files import (
    cmyk_profile,
    colours,
    farthest,
    grey3,
    icc,
    lab_to_srgb,
    linear_grey_profile,
    over_grey,
    png,
    png_chunk,
    saved,
    srgb_curve,
    tiff,
)
from PIL import Image, ImageCms

from service.images import decode

RGB = colours()
H, W = RGB.shape[:2]
ALPHA = np.linspace(0, 255, W * H).reshape(H, W).astype(np.uint8)
RGBA = np.dstack([RGB, ALPHA])
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SIZE = {256: W, 257: H, 259: 1}


def swapped_profile() -> bytes:
    """sRGB with the red and blue primaries exchanged."""
    return SRGB.replace(b"rXYZ", b"????", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"????", b"bXYZ", 1)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "BMP", "WEBP"])
def test_plain_rgb_is_exact(file_format: str) -> None:
    assert farthest(decode(saved(Image.fromarray(RGB), file_format, lossless=True)), RGB) == 0


@pytest.mark.parametrize(("file_format", "options"), [("JPEG", {"subsampling": 0}), ("AVIF", {"subsampling": "4:4:4"})])
def test_lossy_rgb_is_close(file_format: str, options: dict[str, object]) -> None:
    smooth = np.asarray(Image.fromarray(RGB[:4, :4]).resize((64, 64), Image.Resampling.BICUBIC))
    assert farthest(decode(saved(Image.fromarray(smooth), file_format, quality=100, **options)), smooth) <= 6


def test_heif() -> None:
    assert (
        farthest(decode(saved(Image.fromarray(RGB), "HEIF", quality=-1, chroma=444, matrix_coefficients=0)), RGB) <= 1
    )


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_flattened_on_mid_grey(file_format: str) -> None:
    picture = decode(saved(Image.fromarray(RGBA), file_format, lossless=True, exact=True))
    assert farthest(picture, over_grey(RGB, ALPHA)) <= 1


def test_colour_hidden_under_alpha_never_shows() -> None:
    hidden = np.dstack([RGB, np.zeros((H, W), np.uint8)])
    for data in (
        saved(Image.fromarray(hidden), "PNG"),
        saved(Image.fromarray(hidden), "PNG", icc_profile=swapped_profile()),
    ):
        assert farthest(decode(data), np.full((H, W, 3), 128)) == 0


def test_grey_with_alpha() -> None:
    data = saved(Image.fromarray(np.dstack([RGB[..., 0], ALPHA])), "PNG")
    assert farthest(decode(data), over_grey(grey3(RGB[..., 0]), ALPHA)) <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_premultiplied_alpha_in_tiff(channels: int) -> None:
    alpha = ALPHA.clip(64)
    shown = np.rint(RGB[..., :channels] * (alpha[..., None] / 255)).astype(np.uint8)
    tags = SIZE | {258: [8] * (channels + 1), 262: 2 if channels == 3 else 1, 277: channels + 1, 278: H, 338: 1}
    expected = over_grey(RGB if channels == 3 else grey3(RGB[..., 0]), alpha)
    assert farthest(decode(tiff(tags, [np.dstack([shown, alpha]).tobytes()])), expected) <= 2


def test_palette_with_transparency() -> None:
    index = (np.arange(W * H).reshape(H, W) % 4).astype(np.uint8)
    palette = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 8, 7]], np.uint8)
    plte = png_chunk(b"PLTE", palette.tobytes())
    rows = [row.tobytes() for row in index]
    assert farthest(decode(png(W, H, 8, 3, rows, plte)), palette[index]) == 0
    alphas = np.array([0, 100, 255, 255], np.uint8)  # fewer alphas than colours: the rest is opaque
    trns = png_chunk(b"tRNS", alphas[:2].tobytes())
    assert farthest(decode(png(W, H, 8, 3, rows, plte, trns)), over_grey(palette[index], alphas[index])) <= 1
    single = np.array([0, 255, 255, 255], np.uint8)
    trns = png_chunk(b"tRNS", single[:1].tobytes())
    assert farthest(decode(png(W, H, 8, 3, rows, plte, trns)), over_grey(palette[index], single[index])) == 0


def test_palette_with_alpha_in_tiff() -> None:
    index = (np.arange(W * H).reshape(H, W) % 256).astype(np.uint8)
    palette = np.stack([np.arange(256), 255 - np.arange(256), np.arange(256) // 2]).astype(np.uint16) * 257
    tags = SIZE | {258: [8, 8], 262: 3, 277: 2, 278: H, 338: 2, 320: palette.reshape(-1).tolist()}
    expected = over_grey((palette // 257).T.astype(np.uint8)[index], ALPHA)
    assert farthest(decode(tiff(tags, [np.dstack([index, ALPHA]).tobytes()])), expected) <= 1


def test_one_transparent_colour_in_rgb_png() -> None:
    key = struct.pack(">3H", *RGB[3, 5].tolist())
    expected = RGB.copy()
    expected[3, 5] = 128
    data = png(W, H, 8, 2, [row.tobytes() for row in RGB], png_chunk(b"tRNS", key))
    assert farthest(decode(data), expected) == 0


def test_one_transparent_colour_in_16_bit_rgb_png() -> None:
    deep = RGB.astype(">u2") * 257
    expected = RGB.copy()
    expected[3, 5] = 128
    key = png_chunk(b"tRNS", deep[3, 5].tobytes())
    data = png(W, H, 16, 2, [row.astype(">u2").tobytes() for row in deep], key)
    assert farthest(decode(data), expected) == 0


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_one_transparent_shade_in_grey_png(depth: int) -> None:
    levels = 2 ** min(depth, 8)
    samples = np.arange(64).reshape(4, 16) * 5 % levels
    key = 1
    if depth == 16:
        rows = [(row * 257).astype(">u2").tobytes() for row in samples]
        trns = struct.pack(">H", 257)
    else:
        bits = (samples[..., None] >> np.arange(depth)[::-1]) & 1
        rows = [row.tobytes() for row in np.packbits(bits.reshape(4, -1).astype(np.uint8), axis=1)]
        trns = struct.pack(">H", key)
    expected = np.where(samples == key, 128, samples * 255 // (levels - 1))
    assert farthest(decode(png(16, 4, depth, 0, rows, png_chunk(b"tRNS", trns))), grey3(expected)) == 0
    opaque = grey3(samples * 255 // (levels - 1))
    assert farthest(decode(png(16, 4, depth, 0, rows)), opaque) == 0


@pytest.mark.parametrize("white_is_zero", [False, True])
def test_one_bit_tiff(white_is_zero: bool) -> None:
    bits = (np.arange(W * H).reshape(H, W) % 3 == 0).astype(np.uint8)
    tags = SIZE | {258: 1, 262: 0 if white_is_zero else 1, 277: 1, 278: H}
    expected = grey3((bits ^ white_is_zero) * 255)
    assert farthest(decode(tiff(tags, [np.packbits(bits, axis=1).tobytes()])), expected) == 0


def cmyk_to_rgb(ink: np.ndarray) -> np.ndarray:
    return (255.0 - ink[..., :3]) * (255.0 - ink[..., 3:]) / 255


def cmyk(ink: np.ndarray) -> Image.Image:
    return Image.frombytes("CMYK", (ink.shape[1], ink.shape[0]), ink.tobytes())


def test_cmyk_tiff() -> None:
    ink = np.dstack([RGB, ALPHA])
    assert farthest(decode(saved(cmyk(ink), "TIFF")), cmyk_to_rgb(ink)) <= 1


INK = np.broadcast_to(np.array([30, 90, 170, 50], np.uint8), (16, 16, 4))


def adobe_cmyk_jpeg() -> bytes:
    data = saved(cmyk(INK), "JPEG", quality=100)
    assert data.count(b"\xff\xee\x00\x0eAdobe") == 1
    return data


def test_cmyk_jpeg_by_adobe_holds_inverted_ink() -> None:
    assert farthest(decode(adobe_cmyk_jpeg()), cmyk_to_rgb(INK)) <= 2


def test_cmyk_jpeg_without_adobes_mark_holds_plain_ink() -> None:
    data = adobe_cmyk_jpeg()
    at = data.index(b"\xff\xee\x00\x0eAdobe")
    assert farthest(decode(data[:at] + data[at + 16 :]), cmyk_to_rgb(255 - INK)) <= 2


def test_ycck_jpeg() -> None:
    data = bytearray(adobe_cmyk_jpeg())
    data[data.index(b"Adobe") + 11] = 2  # the same four planes, now Y, Cb, Cr and K
    y, cb, cr, k = (255.0 - INK[0, 0]).tolist()
    red_green_blue = [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)]
    inverted_ink = 255 - np.clip(red_green_blue, 0, 255)
    expected = np.broadcast_to(inverted_ink * k / 255, (16, 16, 3))
    assert farthest(decode(bytes(data)), expected) <= 3


def test_lab_tiff() -> None:
    lab = np.array([[[200, 0, 0], [128, 40, 0], [128, 0, 200], [90, 230, 20]]], np.uint8)  # a*, b*: two's complement
    tags = {256: 4, 257: 1, 258: [8, 8, 8], 259: 1, 262: 8, 277: 3, 278: 1}
    signed = np.dstack([lab[..., :1] * (100 / 255), lab[..., 1:].view(np.int8).astype(np.float64)])
    assert farthest(decode(tiff(tags, [lab.tobytes()])), lab_to_srgb(signed)) <= 2


def test_ycbcr_tiff() -> None:
    ycc = np.array([[[100, 128, 128], [150, 90, 160], [80, 180, 100]]], np.uint8)
    tags = {256: 3, 257: 1, 258: [8, 8, 8], 259: 1, 262: 6, 277: 3, 278: 1, 530: [1, 1]}
    y, cb, cr = np.moveaxis(ycc.astype(np.float64), -1, 0)
    red, blue = y + 1.402 * (cr - 128), y + 1.772 * (cb - 128)
    expected = np.stack([red, y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), blue], axis=-1).clip(0, 255)
    assert farthest(decode(tiff(tags, [ycc.tobytes()])), expected) <= 1


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_embedded_profile_is_applied(file_format: str) -> None:
    data = saved(Image.fromarray(RGB), file_format, lossless=True, icc_profile=swapped_profile())
    assert farthest(decode(data), RGB[..., ::-1]) <= 1


def test_embedded_profile_is_applied_under_alpha() -> None:
    data = saved(Image.fromarray(RGBA), "PNG", icc_profile=swapped_profile())
    assert farthest(decode(data), over_grey(RGB[..., ::-1], ALPHA)) <= 1


@pytest.mark.parametrize("file_format", ["JPEG", "AVIF", "HEIF"])
def test_embedded_profile_is_applied_in_lossy_formats(file_format: str) -> None:
    flat = np.broadcast_to(np.array([200, 120, 40], np.uint8), (64, 64, 3)).copy()
    image = Image.fromarray(flat)
    image.info["icc_profile"] = swapped_profile()
    data = saved(image, file_format, quality=95, icc_profile=swapped_profile())
    assert farthest(decode(data), flat[..., ::-1]) <= 5


def test_grey_profile() -> None:
    shades = np.arange(256, dtype=np.uint8).reshape(16, 16)
    data = saved(Image.fromarray(shades), "PNG", icc_profile=linear_grey_profile())
    assert farthest(decode(data), grey3(np.rint(srgb_curve(shades / 255)))) <= 1


def test_grey_profile_with_16_bits_and_alpha() -> None:
    shades = np.arange(256, dtype=np.uint8).reshape(16, 16)
    half = np.full((16, 16), 128, np.uint8)
    data = saved(Image.fromarray(np.dstack([shades, half])), "PNG", icc_profile=linear_grey_profile())
    assert farthest(decode(data), over_grey(grey3(np.rint(srgb_curve(shades / 255))), half)) <= 1
    deep = saved(Image.fromarray(shades.astype(np.uint16) * 257), "PNG", icc_profile=linear_grey_profile())
    assert farthest(decode(deep), grey3(np.rint(srgb_curve(shades / 255)))) <= 1


def test_cmyk_profile() -> None:
    corners = np.zeros((16, 3), np.uint8) + np.array([0, 128, 128], np.uint8)
    corners[0::2] = np.stack([np.linspace(255, 80, 8), np.linspace(128, 150, 8), np.linspace(128, 110, 8)], axis=-1)
    every = np.array([[c, m, y, k] for c in (0, 255) for m in (0, 255) for y in (0, 255) for k in (0, 255)], np.uint8)
    image = cmyk(every.reshape(4, 4, 4))
    lab = np.hstack([corners[:, :1] * (100 / 255), corners[:, 1:] - 128.0]).reshape(4, 4, 3)
    picture = decode(saved(image, "TIFF", icc_profile=cmyk_profile(corners)))
    assert farthest(picture, lab_to_srgb(lab)) <= 3
    assert farthest(picture, cmyk_to_rgb(every.reshape(4, 4, 4))) > 50


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(b"no profile at all", id="garbage"),
        pytest.param(swapped_profile()[:200], id="cut short"),
        pytest.param(linear_grey_profile(), id="for grey"),
        pytest.param(icc(b"RGB ", b"XYZ ", b"mntr", {b"wtpt": b"XYZ " + bytes(16)}), id="without curves"),
    ],
)
def test_useless_profile_is_ignored(profile: bytes) -> None:
    assert farthest(decode(saved(Image.fromarray(RGB), "PNG", icc_profile=profile)), RGB) == 0


def test_profile_for_rgb_is_ignored_in_grey() -> None:
    data = saved(Image.fromarray(RGB[..., 0]), "PNG", icc_profile=swapped_profile())
    assert farthest(decode(data), grey3(RGB[..., 0])) == 0


def test_srgb_profile_changes_nothing() -> None:
    assert farthest(decode(saved(Image.fromarray(RGB), "PNG", icc_profile=SRGB)), RGB) == 0
