import numpy as np
import pytest
from image_files import colours, farthest, grey3, over_grey, png, saved, tiff
from PIL import Image

from service.images import decode

RAMP = np.linspace(0, 65535, 24 * 16).reshape(16, 24).astype(np.uint16)
SHADES = np.rint(RAMP / 257).astype(np.uint8)
TAGS = {256: 24, 257: 16, 259: 1, 262: 1, 277: 1, 278: 16}


def test_16_bit_grey_png() -> None:
    assert farthest(decode(saved(Image.fromarray(RAMP), "PNG")), grey3(SHADES)) == 0


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_16_bit_grey_tiff(order: str, white_is_zero: bool) -> None:
    if order == ">" and white_is_zero:
        order = "<"  # a kind that Pillow cannot read
    tags = TAGS | {258: 16, 262: 0 if white_is_zero else 1}
    expected = 255 - SHADES if white_is_zero else SHADES
    assert farthest(decode(tiff(tags, [RAMP.astype(order + "u2").tobytes()], order)), grey3(expected)) <= white_is_zero


def test_12_bit_grey_tiff() -> None:
    values = (RAMP >> 4).astype(np.uint16)
    bits = (values.reshape(-1)[:, None] >> np.arange(12)[::-1]) & 1
    data = tiff(TAGS | {258: 12}, [np.packbits(bits.astype(np.uint8)).tobytes()])
    assert farthest(decode(data), grey3(np.rint(values * (255 / 4095)))) == 0


def test_16_bit_signed_tiff_is_stretched() -> None:
    signed = (RAMP.astype(np.int32) - 32768).astype("<i2")
    data = tiff(TAGS | {258: 16, 339: 2}, [signed.tobytes()])
    assert farthest(decode(data), grey3(SHADES)) == 0


def test_16_bit_colour_png() -> None:
    deep = np.stack([RAMP, RAMP.T.reshape(16, 24), RAMP[::-1]], axis=-1)
    data = png(24, 16, 16, 2, [row.astype(">u2").tobytes() for row in deep])
    assert farthest(decode(data), deep / 257) <= 1


@pytest.mark.parametrize("channels", [2, 4])
def test_16_bit_png_with_alpha(channels: int) -> None:
    rgb = colours() if channels == 4 else grey3(colours()[..., 0])
    alpha = SHADES
    deep = np.dstack([rgb[..., : channels - 1], alpha]).astype(np.uint16) * 257
    data = png(24, 16, 16, 6 if channels == 4 else 4, [row.astype(">u2").tobytes() for row in deep])
    assert farthest(decode(data), over_grey(rgb, alpha)) <= 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("separate", [False, True])
def test_16_bit_colour_tiff(order: str, separate: bool) -> None:
    deep = (colours().astype(np.uint16) * 257).astype(order + "u2")
    planes = [np.ascontiguousarray(deep[..., i]).tobytes() for i in range(3)] if separate else [deep.tobytes()]
    tags = TAGS | {258: [16, 16, 16], 262: 2, 277: 3, 284: 2 if separate else 1}
    assert farthest(decode(tiff(tags, planes, order)), colours()) == 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(SHADES.astype(np.int32), SHADES, id="within 8 bits"),
        pytest.param(RAMP.astype(np.int32), SHADES, id="within 16 bits"),
        pytest.param(RAMP.astype(np.int32) * 20000, SHADES, id="stretched"),
        pytest.param(RAMP.astype(np.int32) - 40000, SHADES, id="negative"),
        pytest.param(np.full((16, 24), -5, np.int32), np.full((16, 24), 128), id="one value"),
    ],
)
def test_32_bit_whole_numbers(values: np.ndarray, expected: np.ndarray) -> None:
    assert farthest(decode(saved(Image.fromarray(values), "TIFF")), grey3(expected)) == 0


def test_32_bit_unsigned_numbers_beyond_the_signed_ones() -> None:
    values = RAMP.astype("<u4") * 65537
    assert farthest(decode(tiff(TAGS | {258: 32, 339: 1}, [values.tobytes()])), grey3(SHADES)) == 0


def with_oddities(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[0, :3] = np.nan, np.inf, -np.inf
    return values


UNIT = (RAMP / 65535).astype(np.float32)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("white_is_zero", [False, True])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.0, 5.0), (0.0, 255.0), (1e30, 3e38)])
def test_float_tiff(order: str, white_is_zero: bool, low: float, high: float) -> None:
    values = (low + UNIT.astype(np.float64) * (high - low)).astype(order + "f4")
    data = tiff(TAGS | {258: 32, 339: 3, 262: 0 if white_is_zero else 1}, [values.tobytes()], order)
    expected = np.rint(UNIT * 255.0)
    assert farthest(decode(data), grey3(255 - expected if white_is_zero else expected)) <= 1


def test_float_within_0_to_1_is_not_stretched() -> None:
    dim = UNIT * np.float32(0.25)
    assert farthest(decode(saved(Image.fromarray(dim), "TIFF")), grey3(np.rint(dim * 255.0))) == 0


@pytest.mark.parametrize("scale", [1, 1000])
def test_nan_is_black_and_infinities_are_the_ends(scale: int) -> None:
    values = with_oddities(UNIT * np.float32(scale))
    rgb = decode(saved(Image.fromarray(values), "TIFF")).rgb
    assert rgb[0, :3, 0].tolist() == [0, 255, 0]
    assert rgb[-1, -1, 0] == 255


def test_float_without_a_single_number() -> None:
    nothing = np.full((4, 5), np.nan, np.float32)
    assert farthest(decode(saved(Image.fromarray(nothing), "TIFF")), np.zeros((4, 5, 3))) == 0


@pytest.mark.parametrize("kind", ["i2", "i4", "f4"])
def test_compressed_big_endian_numbers(kind: str) -> None:
    values = (UNIT if kind == "f4" else RAMP.astype(np.int32) // 2 - 99).astype(">" + kind)
    bits, sample = {"i2": (16, 2), "i4": (32, 2), "f4": (32, 3)}[kind]
    packed = b"".join(b"\x7f" + part for part in np.frombuffer(values.tobytes(), "V128").tolist())
    data = tiff(TAGS | {258: bits, 259: 32773, 339: sample}, [packed], ">")
    assert farthest(decode(data), grey3(SHADES)) <= 1
