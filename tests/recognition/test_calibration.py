import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.recognition.calibration import NEUTRAL, Calibration, Network, centred, network_logits

rows = hnp.arrays(np.float32, st.integers(1, 8), elements=st.floats(-40, 40, width=32))
temperatures = st.floats(0.1, 10)
NAN, INF = math.nan, math.inf


@given(rows, temperatures)
def test_one_temperature_divides_the_logits_and_keeps_their_order(logits: np.ndarray, temperature: float) -> None:
    scaled = Calibration(temperatures={"fg": (temperature,)}).scaled("fg", logits)
    assert scaled.dtype == np.float32
    assert scaled == pytest.approx([float(logit) / temperature for logit in logits], rel=1e-5)
    assert scaled[logits.argmax()] == scaled.max()


@given(rows, st.integers(0, 99))
def test_temperatures_of_the_classes_divide_the_centred_logits(logits: np.ndarray, seed: int) -> None:
    row = np.random.default_rng(seed).uniform(0.5, 2, logits.size).tolist()
    scaled = Calibration(temperatures={"fg": tuple(row)}).scaled("fg", logits)
    mean = sum(map(float, logits)) / logits.size
    expected = [(float(z) - mean) / t for z, t in zip(logits, row, strict=True)] if logits.size > 1 else logits / row[0]
    assert scaled == pytest.approx(expected, abs=1e-3)


@given(rows, st.floats(-100, 100))
def test_a_number_added_to_all_logits_is_not_seen_by_temperatures_of_the_classes(
    logits: np.ndarray, shift: float
) -> None:
    row = tuple(np.linspace(0.5, 2, logits.size).tolist()) if logits.size > 1 else (1.0, 2.0)
    calibration = Calibration(temperatures={"fg": row})
    shifted = calibration.scaled("fg", logits + np.float32(shift))
    assert shifted == pytest.approx(calibration.scaled("fg", logits), abs=2e-3)


def test_a_branch_without_a_temperature_keeps_its_logits() -> None:
    logits = np.array([1, 2], np.float32)
    assert np.array_equal(NEUTRAL.scaled("fg", logits), logits)
    assert np.array_equal(Calibration(temperatures={"full": (2.0,)}).scaled("fg", logits), logits)


def test_centred_logits_have_a_mean_of_zero_in_every_row() -> None:
    assert centred(np.array([[1, 3], [5, 5]], np.float32)).tolist() == [[-1, 1], [0, 0]]


@pytest.mark.parametrize("hidden", [True, False])
@given(seed=st.integers(0, 999))
def test_a_network_agrees_with_its_layers_written_out(hidden: bool, seed: int) -> None:
    drawn = np.random.default_rng(seed)
    sizes = (6, 4, 3) if hidden else (6, 3)
    layers = [(drawn.normal(size=(above, below)), drawn.normal(size=below)) for above, below in pairwise(sizes)]
    made = [(tuple(map(tuple, weights.tolist())), tuple(bias.tolist())) for weights, bias in layers]
    network = Network(*made[-1], *(made[0] if hidden else ()))
    logits = drawn.normal(size=(2, 3))
    values = [float(logit - row.mean()) for row in logits for logit in row]
    for place, (weights, bias) in enumerate(layers):
        values = [b + sum(x * w for x, w in zip(values, weights[:, k], strict=True)) for k, b in enumerate(bias)]
        if hidden and place == 0:
            values = [max(0.0, value) for value in values]
    assert network.inputs == 6
    assert network_logits(network, logits.astype(np.float32)) == pytest.approx(values, abs=1e-4)
    many = network_logits(network, np.stack([logits, -logits]).astype(np.float32))
    assert many[0] == pytest.approx(values, abs=1e-4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"temperatures": {"fg": (0.0,)}}, "positive"),
        ({"temperatures": {"fg": (1.0, -1.0)}}, "positive"),
        ({"temperatures": {"fg": (NAN,)}}, "positive"),
        ({"temperatures": {"fg": (INF,)}}, "positive"),
        ({"temperatures": {"fg": (1e-40,)}}, r"in \[0.001, 1000\]"),
        ({"temperatures": {"fg": (1.0, 1001.0)}}, r"in \[0.001, 1000\]"),
        ({"temperatures": {"fg": ()}}, "one temperature"),
        ({"threshold": 1.1}, "threshold"),
        ({"threshold": NAN}, "threshold"),
        ({"weights": {"full": 0.5, "fg": 0.4}}, "add up"),
        ({"weights": {"full": 1.5, "fg": -0.5}}, "not negative"),
        ({"weights": {"full": NAN, "fg": 0.5}}, "not negative"),
        ({"branches": ("fg",), "class_weights": {"fg": (1.0, INF)}}, "finite"),
        ({"branches": ("fg",), "class_weights": {"fg": (1.0, -3e38)}}, "at most 1000000"),
        ({"branches": ("full", "fg"), "class_weights": {"fg": (1.0,)}}, "each of the branches full, fg"),
        ({"branches": ("full",), "network": Network(((1.0,), (1.0,)), (0.0,))}, "2 inputs for 1 branches"),
    ],
)
def test_a_calibration_that_cannot_be_meant_cannot_be_built(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Calibration(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weights": (), "bias": ()}, "as many numbers"),
        ({"weights": ((1.0, 2.0), (1.0,)), "bias": (0.0, 0.0)}, "as many numbers as its bias: 2"),
        ({"weights": ((1.0,),), "bias": (NAN,)}, "finite"),
        ({"weights": ((1e300,),), "bias": (0.0,)}, "at most 1000000"),
        (
            {"weights": ((1.0,),), "bias": (0.0,), "hidden_weights": ((1.0,),), "hidden_bias": (-1e7,)},
            "at most 1000000",
        ),
        ({"weights": ((1.0,),), "bias": (0.0,), "hidden_bias": (0.0,)}, "weights and a bias"),
        ({"weights": ((1.0,),), "bias": (0.0,), "hidden_weights": ((1.0,),)}, "weights and a bias"),
        (
            {"weights": ((1.0,),), "bias": (0.0,), "hidden_weights": ((1.0, 1.0),), "hidden_bias": (0.0, 0.0)},
            "2 hidden units for weights of 1 rows",
        ),
    ],
)
def test_a_network_whose_layers_do_not_fit_cannot_be_built(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Network(**fields)


@pytest.mark.parametrize(
    ("fields", "by_class"),
    [
        ({}, False),
        ({"temperatures": {"fg": (2.0,)}, "weights": {"fg": 1.0}, "threshold": 0.3}, False),
        ({"temperatures": {"full": (2.0,), "fg": (2.0, 3.0)}}, True),
        ({"branches": ("fg",), "class_weights": {"fg": (1.0, 2.0)}}, True),
        ({"branches": ("fg",), "network": Network(((1.0, 0.0), (0.0, 1.0)), (0.0, 0.0))}, True),
    ],
)
def test_what_is_fitted_by_class_may_change_the_order_of_classes(fields: dict[str, object], by_class: bool) -> None:
    assert Calibration(**fields).is_by_class is by_class


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_numbers_that_are_allowed_do_not_overflow(sign: int) -> None:
    """With the logits of a model of scale 100 and 1000 classes."""
    classes, hidden = 1000, 64
    logits = np.linspace(-100, 100, classes, dtype=np.float32)
    scaled = Calibration(temperatures={"fg": (1e-3,)}).scaled("fg", logits)
    inner = ((sign * 1e6,) * hidden,) * classes
    network = Network(((1e6,) * classes,) * hidden, (-1e6,) * classes, inner, (1e6,) * hidden)
    assert np.isfinite(scaled).all()
    assert np.isfinite(network_logits(network, np.abs(logits)[None] * 2)).all()
