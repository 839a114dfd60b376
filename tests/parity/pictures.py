"""Generated photographs' stand-ins: smooth colours with shapes, of several sizes and aspect ratios."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIZES = ((320, 240), (200, 333), (97, 64), (256, 256), (400, 90))  # width, height


def picture(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """`[height, width, 3]`, the same for the same arguments."""
    rng = np.random.default_rng([seed, width, height])
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    image = coarse.resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(4):
        x, y = rng.integers(0, width), rng.integers(0, height)
        half = int(rng.integers(4, max(5, min(width, height) // 3)))
        colour = tuple(int(part) for part in rng.integers(0, 256, 3))
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape((x - half, y - half, x + half, y + half), fill=colour)
    return np.asarray(image)


def pictures() -> list[NDArray[np.uint8]]:
    return [picture(*size, seed) for seed, size in enumerate(SIZES)]
