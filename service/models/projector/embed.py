"""Embeddings of drawings, kept on disk so that a rerun resumes.

Drawings are seen on plain white. Made-up coloured scenes behind them were tried: accuracy stayed where it was, at twice
the time.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.models.encoders.clip_graph import SIDE_PX
from service.models.encoders.clip_tower import ClipImageTower
from service.models.hardware import Hardware
from service.models.projector.drawings import Drawing

Floats = npt.NDArray[np.float32]
_SHARE = 0.92  # of the canvas taken by a drawing
_SHARD = 200
_TOGETHER = 8  # in one call of the tower


class Tower(Protocol):
    """What turns RGB pictures into unit vectors [N, 512]."""

    def embed(self, pictures: Sequence[Image.Image]) -> Floats: ...


class ImageTower:
    """The embedded encoder's own image tower."""

    def __init__(self, onnx_path: Path, hardware: Hardware) -> None:
        self._tower = ClipImageTower(onnx_path, hardware)

    def embed(self, pictures: Sequence[Image.Image]) -> Floats:
        """Unit image embeddings [N, 512]."""
        pixels = [self._tower.preprocess(np.asarray(picture.convert("RGB"))) for picture in pictures]
        return self._tower.embed(np.stack(pixels))


def render(drawing: Drawing) -> Image.Image:
    """The drawing as RGBA, longer side 224 pixels. Raises `ValueError` or `OSError` where the file is no picture."""
    if drawing.path.suffix == ".svg":
        import resvg_py

        png = resvg_py.svg_to_bytes(svg_path=str(drawing.path), width=2 * SIDE_PX, dpi=96.0, skip_system_fonts=True)
        picture = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    else:
        picture = Image.open(drawing.path).convert("RGBA")
    picture = picture.crop(picture.getchannel("A").getbbox())
    scale = SIDE_PX / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def on_white(picture: Image.Image) -> Image.Image:
    """An RGBA drawing of at most 224x224 in the middle of a white 224x224 canvas, with a little margin."""
    canvas = Image.new("RGB", (SIDE_PX, SIDE_PX), (255, 255, 255))
    drawn = picture.resize((max(1, int(picture.width * _SHARE)), max(1, int(picture.height * _SHARE))))
    canvas.paste(drawn, ((SIDE_PX - drawn.width) // 2, (SIDE_PX - drawn.height) // 2), drawn)
    return canvas


def embed_drawings(
    pictures: Sequence[Drawing], tower: Tower, cache_dir: Path, progress: Callable[[str], None]
) -> dict[str, Floats]:
    """Unit image embedding [512] of every drawing, by its key. Unreadable drawings are left out and counted aloud."""
    folder = cache_dir / "embeddings" / "white"
    folder.mkdir(parents=True, exist_ok=True)
    known = _load_shards(folder)
    todo = [drawing for drawing in pictures if drawing.key not in known]
    unreadable = 0
    for start in range(0, len(todo), _SHARD):
        shard = dict(_embed_each(todo[start : start + _SHARD], tower))
        unreadable += len(todo[start : start + _SHARD]) - len(shard)
        if shard:
            _save_shard(folder, shard)
        known |= shard
        progress(
            f"drawings: {min(start + _SHARD, len(todo))} of {len(todo)} new ones embedded, {unreadable} unreadable"
        )
    return {drawing.key: known[drawing.key] for drawing in pictures if drawing.key in known}


def _embed_each(pictures: Sequence[Drawing], tower: Tower) -> Iterator[tuple[str, Floats]]:
    rendered = {}
    for drawing in pictures:
        try:
            picture = on_white(render(drawing))
        except (OSError, ValueError):  # a broken clip is no reason to lose the other thousands
            continue
        rendered[drawing.key] = picture
    keys = list(rendered)
    for start in range(0, len(keys), _TOGETHER):
        some = keys[start : start + _TOGETHER]
        yield from zip(some, tower.embed([rendered[key] for key in some]), strict=True)


def _load_shards(folder: Path) -> dict[str, Floats]:
    known: dict[str, Floats] = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as shard:
            known |= dict(zip(shard["keys"].tolist(), shard["image_embeddings"], strict=True))
    return known


def _save_shard(folder: Path, shard: dict[str, Floats]) -> None:
    name = hashlib.sha256("\n".join(shard).encode()).hexdigest()[:16]
    partial = folder / f"{name}.partial"
    with partial.open("wb") as file:
        np.savez(file, keys=np.array(list(shard)), image_embeddings=np.stack(list(shard.values())))
    partial.rename(folder / f"{name}.npz")
