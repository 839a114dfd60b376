"""Embeddings of drawings (CLIP image tower) and of names (MiniLM), kept on disk so that a rerun resumes.

Drawings are seen on plain white. Made-up coloured scenes behind them were tried: accuracy stayed where it was, at twice
the time.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.models.projector.drawings import Drawing

Floats = npt.NDArray[np.float32]
CLIP_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
CLIP_STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)
_SIDE_PX = 224
_SHARE = 0.92  # of the canvas taken by a drawing
_SHARD = 200


class Tower(Protocol):
    """What turns one RGB picture into a unit vector [512]."""

    def embed(self, picture: Image.Image) -> Floats: ...


class ImageTower:
    """CLIP's image tower in ONNX: RGB pictures -> unit vectors. One picture a run: the int8 graph scales its numbers
    by the whole batch, so a picture's vector would otherwise depend on its neighbours."""

    def __init__(self, onnx_path: Path, threads: int = 2) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the machine is shared
        self._session: Any = onnxruntime.InferenceSession(str(onnx_path), options, providers=["CPUExecutionProvider"])

    def embed(self, picture: Image.Image) -> Floats:
        """Unit image embedding [512] of a picture squashed to 224x224 (bicubic)."""
        squashed = picture.convert("RGB").resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BICUBIC)
        pixels = (np.asarray(squashed, dtype=np.float32) / 255.0 - CLIP_MEAN) / CLIP_STD
        (vectors,) = self._session.run(["image_embeds"], {"pixel_values": pixels.transpose(2, 0, 1)[None]})
        vector: Floats = vectors[0] / np.linalg.norm(vectors[0])
        return vector.astype(np.float32)


class NameEncoder:
    """MiniLM sentence embeddings: mean pooling over tokens, L2-normalised."""

    def __init__(self, model_dir: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        self._tokenizer: Any = AutoTokenizer.from_pretrained(str(model_dir), local_files_only=True)
        self._model: Any = AutoModel.from_pretrained(str(model_dir), local_files_only=True).eval()

    def embed(self, texts: Sequence[str], batch: int = 64) -> Floats:
        """Unit text embeddings [N, 384], in the order of `texts`."""
        import torch

        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        vectors = np.zeros((len(texts), 384), dtype=np.float32)
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            words = self._tokenizer([texts[i] for i in chosen], padding=True, truncation=True, return_tensors="pt")
            with torch.inference_mode():
                tokens = self._model(**words).last_hidden_state
            mask = words["attention_mask"].unsqueeze(-1).to(tokens.dtype)
            pooled = (tokens * mask).sum(1) / mask.sum(1)
            vectors[chosen] = torch.nn.functional.normalize(pooled, dim=1).numpy()
        return vectors


def render(drawing: Drawing) -> Image.Image:
    """The drawing as RGBA, longer side 224 pixels. Raises `ValueError` or `OSError` where the file is no picture."""
    if drawing.path.suffix == ".svg":
        import resvg_py

        png = resvg_py.svg_to_bytes(svg_path=str(drawing.path), width=2 * _SIDE_PX, dpi=96.0, skip_system_fonts=True)
        picture = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    else:
        picture = Image.open(drawing.path).convert("RGBA")
    picture = picture.crop(picture.getchannel("A").getbbox())
    scale = _SIDE_PX / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def on_white(picture: Image.Image) -> Image.Image:
    """An RGBA drawing of at most 224x224 in the middle of a white 224x224 canvas, with a little margin."""
    canvas = Image.new("RGB", (_SIDE_PX, _SIDE_PX), (255, 255, 255))
    drawn = picture.resize((max(1, int(picture.width * _SHARE)), max(1, int(picture.height * _SHARE))))
    canvas.paste(drawn, ((_SIDE_PX - drawn.width) // 2, (_SIDE_PX - drawn.height) // 2), drawn)
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
    for drawing in pictures:
        try:
            picture = on_white(render(drawing))
        except (OSError, ValueError):  # a broken clip is no reason to lose the other thousands
            continue
        yield drawing.key, tower.embed(picture)


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
