"""What the learnt fusions share: penalized cross entropy with its gradient, and its minimization."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from service.calibration.refusals import NotFitted
from service.calibration.samples import Samples
from service.recognition.calibration import centred

Doubles = NDArray[np.float64]
Floating = NDArray[np.floating]
Places = NDArray[np.intp]
Loss = Callable[[Doubles], tuple[float, Doubles]]
STEPS = 100


def check_enough(samples: Samples, labels: Sequence[str], least: int) -> None:
    """Raises NotFitted where there is one branch alone, or a class with fewer than `least` pictures."""
    if len(samples.names) < 2:
        raise NotFitted("needs two branches or more")
    counts = np.bincount(samples.truth, minlength=len(labels))
    if counts.min() < least:
        few = int(counts.argmin())
        raise NotFitted(
            f"needs {least} pictures of every class, seen by every branch, in the part that is fitted; "
            f"{labels[few]!r} has {counts[few]}"
        )


def shared_inputs(samples: Samples, shares: Doubles) -> NDArray[np.float32]:
    """`[n, V, L]`: centred logits times `shares [V, L]`; their sum over the branches is the scaled average."""
    return (centred(samples.logits) * shares).astype(np.float32)


def cross_entropy(logits: Floating, truth: Places) -> tuple[float, Floating]:
    """The sum over pictures of `logits [n, L]`, and its slopes `[n, L]`."""
    rows = np.arange(len(truth))
    below = logits - logits.max(axis=1, keepdims=True)
    powers = np.exp(below)
    totals = powers.sum(axis=1, keepdims=True)
    value = float((np.log(totals[:, 0]) - below[rows, truth]).sum(dtype=np.float64))
    slopes: Floating = powers / totals
    slopes[rows, truth] -= 1
    return value, slopes


def minimized(loss: Loss, start: Doubles) -> Doubles:
    """Where L-BFGS arrives after at most STEPS steps."""
    found: Doubles = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x
    return found
