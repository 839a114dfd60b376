"""Weights by branch and class (L2R2, section 3.3; B.3, item 9)."""

from collections.abc import Sequence

import numpy as np

from service.calibration.descent import (
    Doubles,
    Floating,
    Loss,
    Places,
    check_enough,
    cross_entropy,
    minimized,
    shared_inputs,
)
from service.calibration.samples import Samples

LEAST_PICTURES = 5
STRENGTH = 1.0


def fit_class_weights(samples: Samples, labels: Sequence[str], shares: Doubles) -> Doubles:
    """Weights `[V, L]` for centred logits, from the pictures that every branch saw.

    They start at `shares [V, L]`, those of the scaled average, and are held there by a penalty: `STRENGTH / 2` times
    the squares of their relative deviations, against the pictures' summed cross entropy.

    Raises:
        NotFitted: one branch alone, or a class with fewer than LEAST_PICTURES pictures.
    """
    check_enough(samples, labels, LEAST_PICTURES)
    loss = class_weights_loss(shared_inputs(samples, shares), samples.truth, STRENGTH)
    found: Doubles = shares * (1 + minimized(loss, np.zeros(shares.size)).reshape(shares.shape))
    return found


def class_weights_loss(inputs: Floating, truth: Places, strength: float) -> Loss:
    """Of deviations `[V * L]`: a class's logit is the sum over branches of `inputs [n, V, L]` times 1 + deviation. The
    mean over pictures, with its gradient."""
    pictures = len(truth)

    def loss(flat: Doubles) -> tuple[float, Doubles]:
        deviations = flat.reshape(inputs.shape[1:])
        weights = (1 + deviations).astype(inputs.dtype)
        value, slopes = cross_entropy(np.einsum("nvl,vl->nl", inputs, weights), truth)
        gradient = np.einsum("nvl,nl->vl", inputs, slopes) + strength * deviations
        return (value + strength / 2 * float(flat @ flat)) / pictures, gradient.ravel() / pictures

    return loss
