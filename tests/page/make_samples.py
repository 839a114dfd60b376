"""Makes the page's sample pictures anew: `python tests/page/make_samples.py`.

Two are photographs that scikit-image carries, released by their photographers; one is a cup from such a photograph, cut
out by the localizer and set on a drawn Moon: a foreign background that misleads the full picture.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from skimage import data

from service.api.page import FOLDER
from service.engine import load_engine
from service.models.ports import PromptSet
from service.settings import load_settings

SIZE = (512, 384)
MOST_BYTES = 25_000
SEED, CRATERS, SUN, TINT = 7, 170, (-0.62, -0.42, 0.66), (1.0, 0.985, 0.955)
Floats = NDArray[np.float64]


def moon(width: int, height: int, seed: int = SEED) -> Image.Image:
    """Hills of all sizes and craters, lit from one side."""
    random = np.random.default_rng(seed)
    ground: Floats = 24 * np.sum(
        [_hills(random, width, height, cells) / cells**1.15 for cells in (3, 6, 12, 24, 48, 96)], 0
    )
    y, x = np.mgrid[:height, :width]
    for radius in np.sort(random.pareto(1.5, CRATERS) * 4 + 2.5)[::-1].clip(max=58):
        away = np.hypot(x - random.uniform(0, width), y - random.uniform(0, height)) / radius
        ground += _crater(away) * radius * 0.29
    dy, dx = np.gradient(ground)
    light = (-dx * SUN[0] - dy * SUN[1] + SUN[2]) / np.sqrt(dx**2 + dy**2 + 1)
    grey = 12 + 200 * light.clip(0) ** 1.1 + random.normal(0, 2, light.shape)
    return Image.fromarray((grey[..., None] * TINT).clip(0, 255).astype(np.uint8))


def _hills(random: np.random.Generator, width: int, height: int, cells: int) -> Floats:
    rough = Image.fromarray(random.normal(0, 1, (cells + 3, cells + 3)).astype(np.float32))
    return np.asarray(rough.resize((width, height), Image.Resampling.BICUBIC), np.float64)


def _crater(distance: Floats) -> Floats:
    """Its height over the distance from the middle, in radii: a bowl, a rim, and what was thrown out."""
    return np.where(
        distance < 1, distance**2 * 1.15 - 1, 0.15 * np.exp(-(((distance - 1) / 0.35) ** 2)) * (distance < 2.5)
    )


def cup() -> Image.Image:
    """The cup of coffee alone, RGBA."""
    localizer = load_engine(load_settings(threads=1)).recognizer.localizer
    rgb = data.coffee()
    best = localizer.locate([localizer.preprocess(rgb, PromptSet(()))])[0][0]
    assert best.mask is not None
    mask = Image.fromarray(best.mask).resize(rgb.shape[1::-1], Image.Resampling.BICUBIC)
    sharp = mask.point(lambda level: min(255, max(0, (level - 90) * 3)))
    cut = Image.fromarray(np.dstack([rgb, np.asarray(sharp)]))
    return cut.crop(sharp.getbbox())


def on_the_moon(ground: Image.Image, thing: Image.Image) -> Image.Image:
    width = round(SIZE[0] * 0.3)
    thing = thing.resize((width, round(thing.height * width / thing.width)), Image.Resampling.LANCZOS)
    left, top = round(SIZE[0] * 0.5 - width / 2), round(SIZE[1] * 0.52 - thing.height / 2)
    alpha = Image.new("L", SIZE)
    alpha.paste(thing.getchannel("A"), (left + 12, top + 9))
    shade = alpha.filter(ImageFilter.GaussianBlur(7)).point(lambda level: level * 0.62)
    ground.paste((8, 8, 10), (0, 0), shade)
    ground.paste(thing, (left, top), thing)
    return ground


def fitted(rgb: NDArray[np.uint8]) -> Image.Image:
    """The middle of a picture in the samples' format and size."""
    picture = Image.fromarray(rgb)
    width = min(picture.width, picture.height * SIZE[0] // SIZE[1])
    height = min(picture.height, picture.width * SIZE[1] // SIZE[0])
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height)).resize(SIZE, Image.Resampling.LANCZOS)


def save(picture: Image.Image, file: Path) -> None:
    """With the best quality that stays below the bound."""
    for quality in range(90, 30, -2):
        picture.save(file, "JPEG", quality=quality, optimize=True, progressive=True)
        if file.stat().st_size <= MOST_BYTES:
            return
    raise SystemExit(f"{file.name} cannot be made small enough")


def main() -> None:
    folder = FOLDER / "samples"
    folder.mkdir(exist_ok=True)
    save(on_the_moon(moon(*SIZE), cup()), folder / "cup-on-the-moon.jpg")
    save(fitted(data.chelsea()), folder / "cat.jpg")
    save(fitted(data.rocket()), folder / "rocket.jpg")


if __name__ == "__main__":
    main()
