"""What is shown to the service: the user's own photographs, or drawn ones of any size."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from service.bench.worker import BenchFailed
from service.errors import ImageError
from service.images import ImageLimits, decode

COUNT = 16
SIZE = (640, 480)
QUALITY = 88
GRAIN = 12.0  # levels; gives a file as large as a photograph's
TILE_PX = 512
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def drawn(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """`[height, width, 3]`: a striped, shaded object on a soft ground, with the grain of a photograph."""
    chance = np.random.default_rng(seed)
    ground = Image.fromarray(chance.integers(150, 230, (3, 4, 3), dtype=np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    draw = ImageDraw.Draw(ground)
    x, y = (chance.uniform(0.35, 0.65, 2) * (width, height)).tolist()
    half_w, half_h = (chance.uniform(0.15, 0.25, 2) * (width, height)).tolist()
    dark = chance.integers(0, 90, 3)
    for ring in range(6):
        left = 1 - ring / 6
        colour = tuple(int(part) for part in dark + 25 * (ring % 3))
        draw.ellipse((x - half_w * left, y - half_h * left, x + half_w * left, y + half_h * left), fill=colour)
    grain = chance.normal(0, GRAIN, (TILE_PX, TILE_PX, 3)).astype(np.int16)
    pixels = np.asarray(ground)
    noisy = np.empty_like(pixels)
    for top in range(0, height, TILE_PX):
        for left_px in range(0, width, TILE_PX):
            tile = pixels[top : top + TILE_PX, left_px : left_px + TILE_PX]
            grained = tile + grain[: tile.shape[0], : tile.shape[1]]
            noisy[top : top + TILE_PX, left_px : left_px + TILE_PX] = grained.clip(0, 255)
    return noisy


def jpeg(rgb: NDArray[np.uint8], quality: int = QUALITY) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def jpeg_of_megapixels(megapixels: float, most_bytes: int) -> bytes:
    """A 4:3 picture of so many megapixels (10^6), never more, in a file of at most `most_bytes`."""
    width = int((megapixels * 1e6 * 4 / 3) ** 0.5)
    rgb = drawn(width, int(megapixels * 1e6 / width))
    for quality in (QUALITY, 75, 60, 40, 20):
        data = jpeg(rgb, quality)
        if len(data) <= most_bytes:
            return data
    raise BenchFailed(f"a picture of {megapixels:g} megapixels does not fit into {most_bytes} bytes")


def picture_files(folder: Path, own: Path | None, limits: ImageLimits) -> list[str]:
    """JPEG files in `folder`: the pictures in `own` (others than JPEG anew as JPEG), or drawn ones of 640 x 480.

    Raises BenchFailed where `own` holds none that can be read.
    """
    files = [jpeg(drawn(*SIZE, seed)) for seed in range(COUNT)] if own is None else list(_own_pictures(own, limits))
    if not files:
        raise BenchFailed(f"{own} holds no picture that can be read")
    folder.mkdir(parents=True, exist_ok=True)
    return [str(_written(folder / f"{number:03}.jpg", data)) for number, data in enumerate(files)]


def _own_pictures(own: Path, limits: ImageLimits) -> Sequence[bytes]:
    found = []
    for path in sorted(path for path in own.rglob("*") if path.suffix.lower() in SUFFIXES)[: 10 * COUNT]:
        data = path.read_bytes()
        try:
            picture = decode(data, limits)
        except ImageError:
            continue
        found.append(data if picture.format == "jpeg" else jpeg(picture.rgb))
    return found


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
