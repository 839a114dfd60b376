"""Cross-validation over names: what the projector is worth on names and on a style of picture it has never seen.

One style judges (its pictures are the nearest to photographs) and is left out of the training; so are the names of
one fold at a time. What the folds teach also goes into the final fit: the noise that `fit.sharpen` weights by, and
the logit scale at which confidences are worth most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.models.projector.apply import TextProjector
from service.models.projector.fit import Gallery, Matrix, Settings, fit_regression, gather, noise, sharpen

Floats = npt.NDArray[np.float32]
JUDGE = "fluent-3d"
LOGIT_SCALES = (15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 70.0, 100.0)
_PEOPLE = frozenset({"person", "man", "woman", "people", "boy", "girl", "face", "hand", "gesture", "family", "heart"})


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Means over folds; each judges `classes` held-out names by `pictures` drawings of the held-out style."""

    folds: int
    classes: float
    pictures: float
    accuracy: float
    top5_accuracy: float
    plain_accuracy: float
    """Without `fit.sharpen`."""
    log_loss: float
    """Mean of -log(probability of the right name), at `logit_scale`."""
    logit_scale: float
    noise_moment: Matrix
    """[512, 512], of all folds."""


@dataclass(frozen=True, eq=False)
class _Fold:
    projector: TextProjector
    noise_moment: Matrix
    names: list[str]


def cross_validate(
    drawn: Gallery,
    text_embeddings: Mapping[str, Floats],
    settings: Settings,
    folds: int,
    progress: Callable[[str], None],
) -> CrossValidation:
    """Fit `folds` times without a fold's names and without the judging style. Raises `ValueError` for too few names."""
    judging = np.array([style == JUDGE for style in drawn.styles])
    judge, training = drawn.only(judging), drawn.only(~judging)
    shares = share_names(judge, folds, settings.seed)
    named, mean = gather(training, text_embeddings, settings), training.image_mean
    done = []
    for number, names in enumerate(shares, start=1):
        projector = fit_regression(named.without(set(names)), mean, settings)
        held_out = training.only(np.isin(training.names, names))
        predicted = projector.project(np.stack([text_embeddings[name] for name in held_out.names]))
        done.append(_Fold(projector, noise(held_out, predicted, mean), names))
        progress(f"cross-validation: fold {number} of {folds}, {len(names)} names held out")
    return _judge(done, judge, text_embeddings, settings)


def share_names(judge: Gallery, folds: int, seed: int) -> list[list[str]]:
    """Deal the judging style's names, people and faces apart, into folds at random. Raises `ValueError` for too few."""
    things = {name for name, tags in zip(judge.names, judge.tags, strict=True) if not _PEOPLE & {*tags, *name.split()}}
    if folds < 2 or len(things) < 2 * folds:
        raise ValueError(f"{folds} folds of {len(things)} names: at least 2 folds of 2 names are needed")
    dealt = np.random.default_rng(seed).permutation(sorted(things))
    return [sorted(str(name) for name in dealt[start::folds]) for start in range(folds)]


def _judge(
    done: list[_Fold], judge: Gallery, text_embeddings: Mapping[str, Floats], settings: Settings
) -> CrossValidation:
    rows = []
    for fold in done:
        others = [other.noise_moment for other in done if other is not fold]  # a fold's own noise would flatter it
        sharpened = sharpen(fold.projector, np.mean(others, axis=0), 1.0, settings)
        pictures = judge.only(np.isin(judge.names, fold.names))
        truth = np.searchsorted(fold.names, pictures.names)
        texts = np.stack([text_embeddings[name] for name in fold.names])
        images = sharpened.centre_images(pictures.embeddings)
        cosines = images @ sharpened.project(texts).T
        plain = images @ fold.projector.project(texts).T
        better = (cosines > cosines[np.arange(len(truth)), truth][:, None]).sum(axis=1)
        figures = [len(fold.names), len(truth), (better == 0).mean(), (better < 5).mean()]
        figures.append((plain.argmax(axis=1) == truth).mean())
        rows.append(figures + [log_loss(scale * cosines, truth) for scale in LOGIT_SCALES])
    classes, count, accuracy, top5, plain_accuracy, *losses = (float(value) for value in np.mean(rows, axis=0))
    best = int(np.argmin(losses))
    moment = np.mean([fold.noise_moment for fold in done], axis=0)
    return CrossValidation(
        len(done), classes, count, accuracy, top5, plain_accuracy, losses[best], LOGIT_SCALES[best], moment
    )


def log_loss(logits: npt.NDArray[np.floating], truth: npt.NDArray[np.integer]) -> float:
    """Mean of -log(softmax probability of the right class) of logits [N, C] and right classes [N]."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    right = shifted[np.arange(len(truth)), truth]
    return float((np.log(np.exp(shifted).sum(axis=1)) - right).mean())
