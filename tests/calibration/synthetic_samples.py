"""Logits whose truth is known, since it was drawn from them."""

import numpy as np

from service.calibration import Samples


def drawn_logits(
    count: int, classes: int, seed: int, spread: float = 2.0, offset: float = 25.0
) -> tuple[np.ndarray, np.ndarray]:
    """Logits `[N, L]` and classes `[N]` drawn with the logits' own probabilities: calibrated by construction."""
    drawn = np.random.default_rng(seed)
    logits = drawn.normal(0, spread, (count, classes))
    # The largest of logits with Gumbel noise is a draw from their softmax.
    truth = (logits + drawn.gumbel(size=logits.shape)).argmax(axis=1)
    return (logits + offset).astype(np.float32), truth


def samples_of(
    logits: np.ndarray,
    truth: np.ndarray,
    names: tuple[str, ...] = ("full", "fg"),
    present: np.ndarray | None = None,
    box_scores: np.ndarray | None = None,
) -> Samples:
    """Samples `[N, V, L]` in which every branch saw every picture, if nothing else is said."""
    there = np.ones(logits.shape[:2], np.bool_) if present is None else present
    scores = np.full(len(truth), 0.8) if box_scores is None else box_scores
    return Samples(names, logits.astype(np.float32), there, truth.astype(np.intp), scores.astype(np.float32))


def overconfident(count: int, classes: int = 4, factors: tuple[float, ...] = (3.0, 2.0), seed: int = 0) -> Samples:
    """Every branch sees the same, with noise of its own, and is sure by its factor too much."""
    drawn = np.random.default_rng([seed, 1])
    logits, truth = drawn_logits(count, classes, seed)
    rows = [factor * (logits + drawn.normal(0, 0.3, logits.shape)) for factor in factors]
    return samples_of(np.stack(rows, axis=1), truth, ("full", "fg", "fg_mask")[: len(factors)])


def halves(count: int, classes: int = 6, seed: int = 0) -> Samples:
    """The full picture knows the even classes and guesses among the odd ones, the crop the other way round."""
    drawn = np.random.default_rng(seed)
    truth = drawn.integers(0, classes, count)
    logits = drawn.normal(0, 1, (count, 2, classes))
    for branch in (0, 1):
        known = truth % 2 == branch
        logits[known, branch, truth[known]] += 3
        of_others = np.arange(classes) % 2 != branch
        logits[:, branch, of_others] += np.where(known, 0, 2)[:, None]
    return samples_of(logits * 2 + 20, truth)


def labels_of(samples: Samples) -> list[str]:
    return [f"class {place}" for place in range(samples.logits.shape[2])]
