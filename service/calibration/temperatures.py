"""One temperature for a branch (L2R2, B.3, equation 2; Guo et al. 2017)."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from service.calibration.refusals import NotFitted

Floats = NDArray[np.float32]
Places = NDArray[np.intp]
LEAST_PICTURES = 10
LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(logits: Floats, truth: Places) -> float:
    """The temperature that minimizes the cross entropy of `logits [n, L]`, between LOWEST and HIGHEST.

    Cross entropy is convex in 1 / T, so that a bounded search finds its only minimum.

    Raises:
        NotFitted: too few pictures, or no wrong answer: then every temperature is bettered by a lower one.
    """
    if len(truth) < LEAST_PICTURES:
        raise NotFitted(f"needs {LEAST_PICTURES} pictures that the branch saw; it saw {len(truth)}")
    gaps = logits - np.take_along_axis(logits, truth[:, None], axis=1)
    most = gaps.max(axis=1, keepdims=True)
    if not (most > 0).any():
        raise NotFitted(f"needs a wrong answer of the branch; its {len(truth)} answers are right")
    below, mean_most = gaps - most, float(most.mean(dtype=np.float64))

    def cross_entropy(log_temperature: float) -> float:
        inverse = np.float32(np.exp(-log_temperature))
        return float(np.log(np.exp(below * inverse).sum(axis=1, dtype=np.float64)).mean() + mean_most * inverse)

    bounds = (np.log(LOWEST), np.log(HIGHEST))
    return float(np.exp(minimize_scalar(cross_entropy, bounds=bounds, method="bounded", options={"xatol": 1e-4}).x))
