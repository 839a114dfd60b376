"""Build the text projector from package registries and two encoders: fetch, embed, validate, fit, write.

A rerun resumes: packages, image embeddings and text embeddings are kept below the cache folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.models.encoders.minilm import MiniLm
from service.models.hardware import choose_hardware
from service.models.projector.apply import TextProjector
from service.models.projector.card import write_card
from service.models.projector.crossval import CrossValidation, cross_validate
from service.models.projector.drawings import Drawing, drawings
from service.models.projector.embed import ImageTower, embed_drawings
from service.models.projector.fit import Settings, fit_regression, gallery, gather, sharpen

Floats = npt.NDArray[np.float32]
PROJECTOR_FILE, CARD_FILE = "text_projector.safetensors", "CARD.md"
MAX_FILE_BYTES = 5_000_000


@dataclass(frozen=True)
class Report:
    """What a build made, and what it is worth."""

    projector_path: Path
    card_path: Path
    file_bytes: int
    sha256: str
    drawings_by_style: Mapping[str, int]
    names: int
    validation: CrossValidation


def build(
    cache_dir: Path,
    out_dir: Path,
    *,
    folds: int,
    progress: Callable[[str], None],
    image_encoder_onnx: Path,
    minilm_dir: Path,
    settings: Settings | None = None,
) -> Report:
    """Make `text_projector.safetensors` and `CARD.md` in `out_dir`, working in `cache_dir`.

    `folds` is the number of folds of the cross-validation (at least 2; the committed file was made with 5). Raises
    `DrawingsError` if a package cannot be fetched, `ValueError` if the file would pass its size limit.
    """
    chosen = settings or Settings()
    pictures = list(drawings(cache_dir, progress))
    tower = ImageTower(image_encoder_onnx, choose_hardware("cpu", "auto", None))
    embedded = embed_drawings(pictures, tower, cache_dir, progress)
    text_embeddings = embed_names(pictures, minilm_dir, cache_dir, progress)
    drawn = gallery(pictures, embedded)
    validation = cross_validate(drawn, text_embeddings, chosen, folds, progress)
    named = gather(drawn, text_embeddings, chosen)
    progress(f"fit: {len(named.names)} names")
    plain = fit_regression(named, drawn.image_mean, chosen)
    projector = sharpen(plain, validation.noise_moment, validation.logit_scale, chosen)
    used = [drawing for drawing in pictures if drawing.key in embedded]
    return _write(projector, out_dir, used, len(named.names), validation, chosen)


def embed_names(
    pictures: list[Drawing], minilm_dir: Path, cache_dir: Path, progress: Callable[[str], None]
) -> dict[str, Floats]:
    """Unit text embedding [384] of every name and tag, kept in one file for exactly these words."""
    words = sorted({word for drawing in pictures for word in (drawing.name, *drawing.tags) if word})
    digest = hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
    path = cache_dir / "embeddings" / f"names-{digest}.npy"
    if not path.is_file():
        progress(f"names: {len(words)} to embed")
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.save(file, MiniLm(minilm_dir).embed(words))
        partial.rename(path)
    return dict(zip(words, np.load(path, allow_pickle=False), strict=True))


def _write(
    projector: TextProjector,
    out_dir: Path,
    pictures: list[Drawing],
    names: int,
    validation: CrossValidation,
    settings: Settings,
) -> Report:
    out_dir.mkdir(parents=True, exist_ok=True)
    path, card_path = out_dir / PROJECTOR_FILE, out_dir / CARD_FILE
    projector.save(path)
    content = path.read_bytes()
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"{path.name} has {len(content)} bytes, more than {MAX_FILE_BYTES}: use fewer names")
    counts: dict[str, int] = {}
    for drawing in pictures:
        counts[drawing.style] = counts.get(drawing.style, 0) + 1
    digest = hashlib.sha256(content).hexdigest()
    report = Report(path, card_path, len(content), digest, counts, names, validation)
    write_card(card_path, report.drawings_by_style, names, len(content), digest, validation, settings)
    return report
