"""Labelled pictures in any number: photographs mirrored, cut, darkened and turned."""

import io
from collections.abc import Callable, Mapping

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

LABELS = {"chelsea": "cat", "coffee": "cup of coffee", "astronaut": "astronaut", "rocket": "rocket"}
LONGER_SIDE = 256


def part(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop((int(width * left), int(height * top), int(width * right), int(height * bottom)))


CHANGES: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "mirrored": ImageOps.mirror,
    "middle": lambda image: part(image, 0.15, 0.15, 0.85, 0.85),
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.25),
    "left": lambda image: part(image, 0.0, 0.1, 0.6, 1.0),
    "soft": lambda image: image.filter(ImageFilter.GaussianBlur(6)),
    "right": lambda image: part(image, 0.4, 0.0, 1.0, 0.9),
    "turned": lambda image: image.rotate(90, expand=True),
    "bright": lambda image: ImageEnhance.Brightness(image).enhance(2.5),
}


def variants(photographs: Mapping[str, bytes], each: int) -> list[tuple[str, str, bytes]]:
    """Label, name and PNG of `each` variants of every photograph, the photographs taking turns."""
    made = []
    for change in list(CHANGES)[:each]:
        for name, label in LABELS.items():
            with Image.open(io.BytesIO(photographs[name])) as image:
                image.thumbnail((LONGER_SIDE, LONGER_SIDE))
                made.append((label, f"{name}-{change}", png(CHANGES[change](image))))
    return made


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
