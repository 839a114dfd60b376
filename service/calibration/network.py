"""A small network over all branches' logits (L2R2, B.3, item 8).

With or without a hidden layer: what one dataset needs overfits on another, so a quarter of the pictures decides.
"""

from collections.abc import Sequence
from itertools import pairwise

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
from service.calibration.refusals import NotFitted
from service.calibration.samples import Samples, split
from service.recognition.calibration import Network

LEAST_PICTURES = 10
MOST_PARAMETERS = 100_000
HIDDEN_UNITS = 64
STRENGTH, HIDDEN_STRENGTH = 10.0, 3.0
DECIDING_SHARE = 0.25
Layers = list[tuple[Floating, Floating]]


def fit_network(samples: Samples, labels: Sequence[str], shares: Doubles, seed: int) -> Network:
    """A network from the pictures that every branch saw.

    Without a hidden layer it starts as the scaled average (`shares [V, L]`) and is held there, with one it starts at
    random and is held to 0, by a penalty of half the strength times the squared distance against the pictures' summed
    cross entropy. The kind with the lower cross entropy on a quarter of the pictures is fitted to all.

    Raises:
        NotFitted: one branch alone, a class with fewer than LEAST_PICTURES pictures, or more than MOST_PARAMETERS.
    """
    check_enough(samples, labels, LEAST_PICTURES)
    inputs, truth, width = shared_inputs(samples, shares), samples.truth, len(labels)
    inputs = inputs.reshape(len(truth), -1)
    shapes = [(inputs.shape[1], width), (inputs.shape[1], HIDDEN_UNITS, width)]
    possible = [sizes for sizes in shapes if parameter_count(sizes) <= MOST_PARAMETERS]
    if not possible:
        least = min(map(parameter_count, shapes))
        raise NotFitted(f"would have {least:,} parameters for {width} classes; at most {MOST_PARAMETERS:,}")
    kept, deciding = split(truth, DECIDING_SHARE, seed)

    def loss_of(sizes: tuple[int, ...]) -> float:
        layers = _fitted(inputs[kept], truth[kept], sizes, seed)
        return cross_entropy(forward(inputs[deciding], layers)[-1], truth[deciding])[0]

    best = min(possible, key=loss_of) if len(possible) > 1 else possible[0]
    return as_network(_fitted(inputs, truth, best, seed), shares)


def parameter_count(sizes: Sequence[int]) -> int:
    return sum((above + 1) * below for above, below in pairwise(sizes))


def forward(inputs: Floating, layers: Layers) -> list[Floating]:
    """`inputs [n, I]`, what each hidden layer makes of them, and the logits `[n, L]`."""
    values = [inputs]
    for weights, bias in layers[:-1]:
        values.append(np.maximum(values[-1] @ weights + bias, 0))
    weights, bias = layers[-1]
    return [*values, values[-1] @ weights + bias]


def network_loss(inputs: Floating, truth: Places, sizes: Sequence[int], held: Doubles, strength: float) -> Loss:
    """Of all weights and biases, layer by layer, the mean over pictures with its gradient; `held` is where the penalty
    pulls."""
    pictures = len(truth)

    def loss(flat: Doubles) -> tuple[float, Doubles]:
        layers = unpacked(flat.astype(inputs.dtype), sizes)
        *values, logits = forward(inputs, layers)
        value, slopes = cross_entropy(logits, truth)
        found: list[Floating] = []
        for (weights, _bias), below in zip(reversed(layers), reversed(values), strict=True):
            found = [(below.T @ slopes).ravel(), slopes.sum(axis=0), *found]
            if below is not inputs:
                slopes = (slopes @ weights.T) * (below > 0)
        off = flat - held
        value += strength / 2 * float(off @ off)
        return value / pictures, (np.concatenate(found) + strength * off) / pictures

    return loss


def unpacked(flat: Floating, sizes: Sequence[int]) -> Layers:
    """Weights `[I, O]` and bias `[O]` of each layer."""
    layers, start = [], 0
    for above, below in pairwise(sizes):
        end = start + above * below
        layers.append((flat[start:end].reshape(above, below), flat[end : end + below]))
        start = end + below
    return layers


def as_network(layers: Layers, shares: Doubles) -> Network:
    """One or two layers for inputs that are multiplied by `shares [V, L]`, as a network for those that are not."""
    (first, first_bias), *rest = layers
    rows = [tuple(map(tuple, weights.tolist())) for weights in (first * shares.reshape(-1, 1), *(w for w, _ in rest))]
    biases = [tuple(bias.tolist()) for bias in (first_bias, *(b for _, b in rest))]
    if len(rows) == 1:
        return Network(rows[0], biases[0])
    return Network(rows[1], biases[1], rows[0], biases[0])


def _fitted(inputs: Floating, truth: Places, sizes: tuple[int, ...], seed: int) -> Layers:
    above, width = sizes[0], sizes[-1]
    if len(sizes) == 2:
        start = np.concatenate([np.tile(np.eye(width), (above // width, 1)).ravel(), np.zeros(width)])
        return unpacked(minimized(network_loss(inputs, truth, sizes, start, STRENGTH), start), sizes)
    drawn = np.random.default_rng(seed)
    spread = float(np.sqrt(np.square(inputs, dtype=np.float64).mean())) or 1.0
    start = np.concatenate([
        drawn.normal(0, np.sqrt(2 / above) / spread, above * sizes[1]), np.zeros(sizes[1]),
        drawn.normal(0, np.sqrt(1 / sizes[1]), sizes[1] * width), np.zeros(width),
    ])  # fmt: skip
    held = np.zeros(start.size)
    return unpacked(minimized(network_loss(inputs, truth, sizes, held, HIDDEN_STRENGTH), start), sizes)
