"""From every pixel layout that Pillow knows to 8-bit sRGB without transparency."""

import io
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageCms

from service.images.depth import is_deep, shader

GREY = (128, 128, 128)
ICC_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
OPAQUE = {"P": "RGB", "YCbCr": "RGB", "RGBX": "RGB", "1": "L"}
ALPHA = {"La": "LA", "PA": "RGBA", "RGBa": "RGBA"}  # lower case a: colours multiplied by alpha
KEYED = {"1": "LA", "L": "LA", "P": "RGBA", "RGB": "RGBA"}
KEPT_PROFILE_BYTES = 2**16
SAME_LEVELS = 2  # a profile that moves no colour by more is taken for sRGB itself

Convert = Callable[[Image.Image], Image.Image]


def converter(image: Image.Image) -> Convert | None:
    """A function that turns rows cropped from a loaded `image` into mode RGB in sRGB; None if they are that already.

    Transparency is flattened on mid-grey, so that no colour hidden under it shows. The embedded ICC profile is used
    if it is sound, fits the pixels and differs from sRGB. CMYK without one is (1 - ink) * (1 - black).
    """
    if is_deep(image.mode):
        plain, mode = shader(image)
    else:
        plain, mode = _plain(image)
    colour_mode = {"LA": "L", "RGBA": "RGB"}.get(mode, mode)
    to_srgb = _to_srgb(image.info.get("icc_profile"), colour_mode)
    if image.mode == mode == "RGB" and to_srgb is None:
        return None

    def convert(rows: Image.Image) -> Image.Image:
        rows = plain(rows)
        colour = rows if rows.mode == colour_mode else rows.convert(colour_mode)
        srgb = to_srgb(colour) if to_srgb else colour.convert("RGB")
        return _flatten(srgb, rows.getchannel("A")) if mode != colour_mode else srgb

    return convert


def _flatten(colour: Image.Image, alpha: Image.Image) -> Image.Image:
    canvas = Image.new("RGB", colour.size, GREY)
    canvas.paste(colour, mask=alpha)
    return canvas


def _plain(image: Image.Image) -> tuple[Convert, str]:
    """How to reach one of the modes L, LA, RGB, RGBA, CMYK and LAB; and which one."""
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        # Pillow takes every CMYK JPEG for Adobe's kind, whose values are inverted
        return ImageChops.invert, "CMYK"
    key = _colour_key(image)
    mode = KEYED[image.mode] if key is not None else (OPAQUE | ALPHA).get(image.mode, image.mode)

    def plain(rows: Image.Image) -> Image.Image:
        rows.info = {} if key is None else {"transparency": key}
        return rows if rows.mode == mode else rows.convert(mode)

    return plain, mode


def _colour_key(image: Image.Image) -> int | bytes | tuple[int, ...] | None:
    """The one colour (or the palette's alphas) that stands for transparent, in units of the loaded pixels."""
    key = image.info.get("transparency")
    if image.mode == "RGB":
        if not (isinstance(key, tuple) and len(key) == 3):
            return None
        # Of 16-bit samples Pillow keeps the upper byte, but not so of the key
        return tuple(value >> 8 for value in key) if _png_depth(image) == 16 else key
    if image.mode == "P":
        return key if isinstance(key, int | bytes) else None
    if image.mode in ("1", "L") and isinstance(key, int):
        depth = _png_depth(image)
        # Pillow stretches samples of 2 and 4 bits over 0..255, but not the key
        return key * 255 // (2**depth - 1) if depth in (2, 4) else key
    return None


def _png_depth(image: Image.Image) -> int:
    depth = image.info.get(BIT_DEPTH)
    return depth if isinstance(depth, int) else 8


BIT_DEPTH = "png_bit_depth"  # put beside the pixels by the opener, since Pillow forgets it


def _to_srgb(profile: object, mode: str) -> Convert | None:
    """The conversion that the picture's profile demands (mode LAB is its own profile); None if it changes nothing."""
    if mode == "LAB":
        return _kept(b"", mode)
    if not isinstance(profile, bytes):
        return None
    return _kept(profile, mode) if len(profile) <= KEPT_PROFILE_BYTES else _conversion(profile, mode)


def _conversion(profile: bytes, mode: str) -> Convert | None:
    try:
        if mode == "LAB":
            return _transform(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), mode).apply
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ICC_SPACES.get(source.profile.xcolor_space.strip()) != mode:
            return None
        transform = _transform(source, mode)
        if mode == "CMYK":
            return transform.apply
        probe = _probe(mode)
        before, after = probe.convert("RGB"), transform.apply(probe)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError):
        return None
    if np.abs(np.asarray(after).astype(np.int16) - np.asarray(before)).max() <= SAME_LEVELS:
        return None
    return transform.apply if mode == "RGB" else _by_table(np.asarray(after))


# Building a conversion takes longer than decoding a small picture, and few profiles are in use
_kept = lru_cache(maxsize=8)(_conversion)


def _transform(source: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    # LittleCMS interpolates between too few points for dark colours. Exact is slower: for 256 greys and rare Lab only
    flags = ImageCms.Flags.NOOPTIMIZE if mode in ("L", "LAB") else ImageCms.Flags.HIGHRESPRECALC
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB", flags=flags)


def _probe(mode: str) -> Image.Image:
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3))


def _by_table(shades: NDArray[np.uint8]) -> Convert:
    """Look up the colour of each of the 256 shades in uint8 [1, 256, 3]."""

    def convert(rows: Image.Image) -> Image.Image:
        rows = rows.copy()
        rows.putpalette(shades.tobytes())
        return rows.convert("RGB")

    return convert
