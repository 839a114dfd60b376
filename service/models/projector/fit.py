"""Fit the text projector: kernel ridge regression from names to the mean embedding of the drawings they name.

Every style is centred by its own mean, so that what a drawing shows is left and how it is drawn is not. A name's
target is the mean over its drawings; a tag of few drawings is a name of less weight. Only so many names are kept as
fit the file.

The prediction is then weighted by the inverse covariance of what it leaves unexplained in drawings whose names were
held out (Fisher's discriminant with one shared covariance): directions in which pictures vary whatever they show,
such as style, hardly count. A linear map on the text side does that, so a score remains a plain cosine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.models.projector.apply import TextProjector, coded, gaussian_kernel
from service.models.projector.drawings import Drawing
from service.recognition.scoring import unit

Floats = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """Everything that decides a fit; the defaults were chosen by cross-validation over names."""

    gamma: float = 2.0
    ridge: float = 0.3
    tag_weight: float = 0.4
    named_tag_weight: float = 0.1
    """Of a tag that has drawings of its own: an astronaut tagged "rocket" says little of what a rocket looks like."""
    tag_limit: int = 12
    """A tag of drawings with more names than this says too little to be a name."""
    weight_cap: float = 5.0
    max_names: int = 6900
    """What fits into the file; the names of fewest drawings go first."""
    noise_ridge: float = 3.0
    """Shrinkage of the noise covariance towards a sphere, in units of its mean eigenvalue."""
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Named:
    """Names with the drawings they name, ready to be fitted."""

    names: tuple[str, ...]
    text_embeddings: Floats
    """[N, 384], unit."""
    targets: Floats
    """[N, 512]: mean of the centred embeddings of a name's drawings; not normalised, so disagreement makes it short."""
    weights: Floats
    """[N]: number of drawings, tags counting less."""

    def without(self, left_out: set[str]) -> Named:
        """The same less some names."""
        kept = np.array([name not in left_out for name in self.names])
        names = tuple(name for name in self.names if name not in left_out)
        return Named(names, self.text_embeddings[kept], self.targets[kept], self.weights[kept])


@dataclass(frozen=True, eq=False)
class Gallery:
    """All embedded drawings: row i of the arrays is one drawing."""

    names: tuple[str, ...]
    tags: tuple[tuple[str, ...], ...]
    styles: tuple[str, ...]
    embeddings: Floats
    """[D, 512], unit."""

    @property
    def image_mean(self) -> Floats:
        """Mean [512] of the unit embeddings, every style alike."""
        styles = np.array(self.styles)
        means = [self.embeddings[styles == style].mean(axis=0) for style in sorted(set(self.styles))]
        mean: Floats = np.mean(means, axis=0)
        return mean.astype(np.float32)

    def centred_by_style(self) -> Floats:
        """Embeddings [D, 512] less the mean of their style."""
        centred = self.embeddings.copy()
        styles = np.array(self.styles)
        for style in sorted(set(self.styles)):
            centred[styles == style] -= centred[styles == style].mean(axis=0)
        return centred

    def only(self, kept: npt.NDArray[np.bool_]) -> Gallery:
        """The rows where `kept` [D] is true."""
        rows = np.flatnonzero(kept)
        names, tags = tuple(self.names[row] for row in rows), tuple(self.tags[row] for row in rows)
        return Gallery(names, tags, tuple(self.styles[row] for row in rows), self.embeddings[rows])


def gallery(pictures: Sequence[Drawing], embeddings: Mapping[str, Floats]) -> Gallery:
    """Join drawings with their unit embeddings by key; drawings without one are left out."""
    rows = [drawing for drawing in pictures if drawing.key in embeddings]
    stacked = np.stack([embeddings[drawing.key] for drawing in rows]).astype(np.float32)
    names, tags = tuple(drawing.name for drawing in rows), tuple(drawing.tags for drawing in rows)
    return Gallery(names, tags, tuple(drawing.style for drawing in rows), stacked)


def gather(drawn: Gallery, text_embeddings: Mapping[str, Floats], settings: Settings) -> Named:
    """Names and tags with their targets. `text_embeddings` holds a unit vector [384] for each."""
    centred = drawn.centred_by_style()
    words_with_drawings = set(drawn.names)
    entries: dict[str, list[tuple[float, int]]] = defaultdict(list)
    names_of_tag: dict[str, set[str]] = defaultdict(set)
    for row, (name, tags) in enumerate(zip(drawn.names, drawn.tags, strict=True)):
        entries[name].append((1.0, row))
        for tag in set(tags) - {name, ""}:
            names_of_tag[tag].add(name)
            weight = settings.named_tag_weight if tag in words_with_drawings else settings.tag_weight
            entries[tag].append((weight, row))
    common = {tag for tag, names in names_of_tag.items() if len(names) > settings.tag_limit}
    kept = {name: [e for e in found if e[0] == 1.0 or name not in common] for name, found in entries.items()}
    names = sorted(name for name, found in kept.items() if found)
    targets = np.empty((len(names), centred.shape[1]), dtype=np.float32)
    weights = np.empty(len(names), dtype=np.float32)
    for place, name in enumerate(names):
        shares, rows = (np.array(column) for column in zip(*kept[name], strict=True))
        weights[place] = shares.sum()
        targets[place] = shares @ centred[rows] / weights[place]
    return Named(tuple(names), np.stack([text_embeddings[name] for name in names]), targets, weights)


def fit_regression(named: Named, image_mean: Floats, settings: Settings) -> TextProjector:
    """The plain regression, before `sharpen`. Deterministic.

    Kernel ridge regression on the coded text embeddings: (K + ridge / w) A = Y, with w = sqrt(drawings) up to a cap.
    """
    pulls = np.minimum(np.sqrt(named.weights), settings.weight_cap)
    ties = np.random.default_rng(settings.seed).random(len(pulls))
    chosen = np.sort(np.lexsort((ties, -pulls))[: settings.max_names])
    landmarks = coded(named.text_embeddings[chosen])
    kernel = gaussian_kernel(landmarks, landmarks, settings.gamma)
    kernel[np.diag_indices_from(kernel)] += settings.ridge / pulls[chosen]
    coefficients = np.linalg.solve(kernel, named.targets[chosen]).astype(np.float32)
    return TextProjector(landmarks, coefficients, image_mean, settings.gamma, logit_scale=1.0)


def noise(drawn: Gallery, predicted: Floats, image_mean: Floats) -> Matrix:
    """Second moment [512, 512] of what predictions [D, 512] leave of the drawings' centred embeddings."""
    centred = unit(drawn.embeddings - image_mean).astype(np.float64)
    explained = float((centred * predicted).sum() / (predicted * predicted).sum())
    residuals = centred - explained * predicted
    moment: Matrix = residuals.T @ residuals / len(residuals)
    return moment


def sharpen(projector: TextProjector, noise_moment: Matrix, logit_scale: float, settings: Settings) -> TextProjector:
    """Weight the predictions by the shrunken inverse of the noise; see the module's text."""
    values, vectors = np.linalg.eigh(noise_moment)
    shrunk = values.mean() / (values + settings.noise_ridge * values.mean())
    coefficients = projector.coefficients.astype(np.float64) @ ((vectors * shrunk) @ vectors.T)
    return TextProjector(
        projector.landmarks, coefficients.astype(np.float32), projector.image_mean, projector.gamma, logit_scale
    )
