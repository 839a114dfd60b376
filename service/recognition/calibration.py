"""What calibration has learnt of a dataset: the parameters of the fusions (L2R2, B.3). Illegal ones cannot be built."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Row = tuple[float, ...]
# Answers are computed in float32: beyond these, numbers that are fine by themselves could overflow together.
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 1e-3, 1e3
LARGEST_WEIGHT = 1e6


def centred(logits: Floats) -> Floats:
    """`logits [..., L]` less their mean. Softmax does not see a number added to all logits of a row (of CLIP-like ones
    about 25, more than their spread); factors that differ by class would."""
    less: Floats = logits - logits.mean(axis=-1, keepdims=True)
    return less


@dataclass(frozen=True)
class Network:
    """A fully connected layer over concatenated logits, after one hidden ReLU layer if there is one (B.3, item 8).

    Rows are inputs: `hidden_weights` is `[V * L, H]` (None for none), `weights` `[H or V * L, L]`.

    Raises: ValueError, for shapes that do not fit, and numbers that are not finite or beyond LARGEST_WEIGHT.
    """

    weights: tuple[Row, ...]
    bias: Row
    hidden_weights: tuple[Row, ...] | None = None
    hidden_bias: Row | None = None

    def __post_init__(self) -> None:
        if (self.hidden_weights is None) != (self.hidden_bias is None):
            raise ValueError("a hidden layer has weights and a bias")
        for weights, bias in self._rows:
            if not weights or any(len(row) != len(bias) for row in weights):
                raise ValueError(f"every row of a layer's weights has as many numbers as its bias: {len(bias)}")
            _check_bounded((*weights, bias), "a layer's weights")
        if self.hidden_bias is not None and len(self.hidden_bias) != len(self.weights):
            raise ValueError(f"{len(self.hidden_bias)} hidden units for weights of {len(self.weights)} rows")

    @property
    def _rows(self) -> list[tuple[tuple[Row, ...], Row]]:
        hidden = [] if self.hidden_weights is None else [(self.hidden_weights, self.hidden_bias or ())]
        return [*hidden, (self.weights, self.bias)]

    @property
    def inputs(self) -> int:
        return len(self._rows[0][0])

    @cached_property
    def layers(self) -> tuple[tuple[Floats, Floats], ...]:
        """Weights `[I, O]` and bias `[O]` of each layer; kept, since making arrays takes far longer than using them."""
        return tuple((np.array(weights, np.float32), np.array(bias, np.float32)) for weights, bias in self._rows)


@dataclass(frozen=True)
class Calibration:
    """Parameters for the fusion of `branches`, in that order; what was not fitted is left at its neutral value.

    temperatures: for each branch one number, or one for each class, in [1e-3, 1e3]; logits are divided by it (equations
    2 and 3).
    threshold: of `threshold` and `robust`: the crop answers when it is surer than that.
    weights: for each branch its part in `scaled_weighted_average`; they add up to 1.
    class_weights: for each branch one weight for each class, of `class_weighted_logits` (item 9).

    Raises: ValueError, for numbers that cannot be meant.
    """

    branches: tuple[str, ...] = ()
    temperatures: Mapping[str, Row] = field(default_factory=dict)
    threshold: float | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    class_weights: Mapping[str, Row] = field(default_factory=dict)
    network: Network | None = None

    def __post_init__(self) -> None:
        if any(not row for row in self.temperatures.values()):
            raise ValueError("a branch has one temperature, or one for each class")
        lowest, highest = LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE
        if any(not lowest <= number <= highest for row in self.temperatures.values() for number in row):
            raise ValueError(f"a temperature is a positive number, in [{lowest:g}, {highest:g}]")
        if self.threshold is not None and not 0.0 <= self.threshold <= 1.0:
            raise ValueError(f"a threshold lies in [0, 1], not {self.threshold}")
        if any(not weight >= 0 for weight in self.weights.values()):
            raise ValueError("the weight of a branch is not negative")
        if self.weights and not math.isclose(sum(self.weights.values()), 1.0, abs_tol=1e-6):
            raise ValueError("the weights of the branches add up to 1")
        if self.class_weights and set(self.class_weights) != set(self.branches):
            raise ValueError(f"class weights are for each of the branches {', '.join(self.branches)}")
        _check_bounded(self.class_weights.values(), "class weights")
        if self.network is not None and self.network.inputs != len(self.branches) * len(self.network.bias):
            raise ValueError(f"a network of {self.network.inputs} inputs for {len(self.branches)} branches")

    @cached_property
    def _temperature_rows(self) -> Mapping[str, Floats]:
        return {name: np.array(row, np.float32) for name, row in self.temperatures.items()}

    @property
    def is_by_class(self) -> bool:
        """Whether it may change the order of a view's classes."""
        by_class = any(len(row) > 1 for row in self.temperatures.values())
        return by_class or bool(self.class_weights) or self.network is not None

    @cached_property
    def class_weight_rows(self) -> Floats:
        """`class_weights` as `[V, L]`, in the order of the branches."""
        return np.array([self.class_weights[name] for name in self.branches], np.float32)

    def scaled(self, name: str, logits: Floats) -> Floats:
        """`logits [..., L]` of a branch divided by its temperature (equation 2), or, centred, each by its class's
        (equation 3)."""
        row = self._temperature_rows.get(name)
        if row is None:
            return logits
        divided: Floats = (logits if row.size == 1 else centred(logits)) / row
        return divided


def network_logits(network: Network, logits: Floats) -> Floats:
    """Logits `[..., L]` from the branches' centred and concatenated `logits [..., V, L]` (B.3, equation 4)."""
    *hidden, (weights, bias) = network.layers
    inputs: Floats = centred(logits).reshape(*logits.shape[:-2], -1)
    for hidden_weights, hidden_bias in hidden:
        inputs = np.maximum(inputs @ hidden_weights + hidden_bias, 0)
    combined: Floats = inputs @ weights + bias
    return combined


def _check_bounded(rows: Iterable[Row], what: str) -> None:
    if not all(abs(number) <= LARGEST_WEIGHT for row in rows for number in row):
        raise ValueError(f"{what} are finite numbers of at most {LARGEST_WEIGHT:.0f} in magnitude")


NEUTRAL = Calibration()
