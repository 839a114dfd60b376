"""The learnt fusions: their gradients, where they start, what they refuse and that they learn."""

from collections.abc import Callable

import numpy as np
import pytest
from synthetic_samples import halves, labels_of, overconfident, samples_of

from service.calibration import class_weights, network
from service.calibration.class_weights import class_weights_loss, fit_class_weights
from service.calibration.network import as_network, fit_network, forward, network_loss, parameter_count, unpacked
from service.calibration.refusals import NotFitted
from service.calibration.samples import Samples
from service.recognition.calibration import Calibration
from service.recognition.fusion import FUSIONS

Loss = Callable[[np.ndarray], tuple[float, np.ndarray]]


def shares_of(samples: Samples) -> np.ndarray:
    """Those of the plain average with temperatures of 2."""
    _, branches, classes = samples.logits.shape
    return np.full((branches, classes), 1 / (2 * branches))


def assert_slopes_are_right(loss: Loss, at: np.ndarray) -> None:
    """Each partial derivative against a central difference."""
    step = 1e-6
    _, gradient = loss(at)
    for place in range(at.size):
        ahead, behind = at.copy(), at.copy()
        ahead[place] += step
        behind[place] -= step
        assert gradient[place] == pytest.approx((loss(ahead)[0] - loss(behind)[0]) / (2 * step), abs=1e-6)


def test_the_gradient_of_the_class_weights_is_right() -> None:
    drawn = np.random.default_rng(0)
    inputs, truth = drawn.normal(size=(7, 2, 3)), drawn.integers(0, 3, 7)
    assert_slopes_are_right(class_weights_loss(inputs, truth, 0.7), drawn.normal(size=6))


@pytest.mark.parametrize("sizes", [(6, 3), (6, 4, 3), (6, 5, 4, 3)])
def test_the_gradient_of_a_network_is_right(sizes: tuple[int, ...]) -> None:
    drawn = np.random.default_rng(1)
    inputs, truth, count = drawn.normal(size=(7, 6)), drawn.integers(0, 3, 7), parameter_count(sizes)
    assert_slopes_are_right(network_loss(inputs, truth, sizes, drawn.normal(size=count), 0.7), drawn.normal(size=count))


def test_the_loss_of_a_network_agrees_with_its_definition() -> None:
    drawn = np.random.default_rng(2)
    inputs, truth = drawn.normal(size=(5, 4)), drawn.integers(0, 2, 5)
    flat, held = drawn.normal(size=(2, parameter_count((4, 3, 2))))
    total = 0.0
    for row, label in zip(inputs, truth, strict=True):
        hidden = [max(0.0, sum(row * flat[unit:12:3]) + flat[12 + unit]) for unit in range(3)]
        outputs = [sum(h * flat[15 + 2 * unit + k] for unit, h in enumerate(hidden)) + flat[21 + k] for k in range(2)]
        total += np.log(sum(np.exp(outputs))) - outputs[label]
    expected = (total + 0.7 / 2 * sum((flat - held) ** 2)) / 5
    assert network_loss(inputs, truth, (4, 3, 2), held, 0.7)(flat)[0] == pytest.approx(expected)


def test_strong_penalties_leave_the_scaled_average(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = halves(200)
    shares, labels = shares_of(samples), labels_of(samples)
    monkeypatch.setattr(class_weights, "STRENGTH", 1e9)
    monkeypatch.setattr(network, "STRENGTH", 1e9)
    monkeypatch.setattr(network, "HIDDEN_STRENGTH", 1e9)
    rows = fit_class_weights(samples, labels, shares)
    assert rows == pytest.approx(shares, abs=1e-5)
    found = fit_network(samples, labels, shares, seed=0)
    assert found.hidden_weights is None
    calibration = Calibration(
        samples.names,
        {"full": (2.0,), "fg": (2.0,)},
        class_weights=dict(zip(samples.names, map(tuple, rows.tolist()), strict=True)),
        network=found,
    )
    for item in samples.evidence()[:20]:
        expected = FUSIONS["scaled_average"](item, calibration).probabilities
        for name in ("class_weighted_logits", "concat_fc"):
            assert FUSIONS[name](item, calibration).probabilities == pytest.approx(expected, abs=1e-4)


def test_a_network_has_a_hidden_layer_where_that_does_better() -> None:
    drawn = np.random.default_rng(3)
    inputs = drawn.normal(0, 2, (600, 2, 3))
    either = (inputs[:, 0, 0] > 0) != (inputs[:, 1, 0] > 0)  # no weighted sum of the logits can tell that
    samples = samples_of(inputs, np.where(either, 1, 2 * (inputs[:, 0, 1] > 0)))
    assert fit_network(samples, labels_of(samples), shares_of(samples), 0).hidden_weights is not None
    plain = overconfident(400)
    assert fit_network(plain, labels_of(plain), shares_of(plain), 0).hidden_weights is None


@pytest.mark.parametrize("sizes", [(12, 6), (12, 5, 6)])
def test_a_network_answers_as_the_layers_that_were_fitted(sizes: tuple[int, ...]) -> None:
    samples, drawn = halves(20), np.random.default_rng(4)
    layers = unpacked(drawn.normal(size=parameter_count(sizes)), sizes)
    shares = drawn.uniform(0.1, 1, (2, 6))
    inputs = (samples.logits - samples.logits.mean(axis=2, keepdims=True)) * shares
    expected = forward(inputs.reshape(20, -1), layers)[-1]
    calibration = Calibration(samples.names, network=as_network(layers, shares))
    for item, row in zip(samples.evidence(), expected, strict=True):
        probabilities = FUSIONS["concat_fc"](item, calibration).probabilities
        assert probabilities == pytest.approx(np.exp(row) / np.exp(row).sum(), abs=1e-4)


def test_permuting_the_classes_permutes_their_weights() -> None:
    samples = halves(300)
    order = np.array([3, 1, 5, 0, 4, 2])
    turned = samples_of(samples.logits[:, :, order], np.argsort(order)[samples.truth])
    rows = fit_class_weights(samples, labels_of(samples), shares_of(samples))
    assert fit_class_weights(turned, labels_of(samples), shares_of(samples)) == pytest.approx(rows[:, order], abs=1e-3)


@pytest.mark.parametrize("fit", [fit_class_weights, lambda *given: fit_network(*given, seed=0)])
def test_what_cannot_be_learnt_is_refused_with_what_is_needed(fit: Callable[..., object]) -> None:
    few = halves(300).at(np.arange(300))
    few.truth[few.truth == 2] = 3
    few.truth[0] = 2
    with pytest.raises(NotFitted, match=r"needs \d+ pictures of every class, .* 'class 2' has 1"):
        fit(few, labels_of(few), shares_of(few))
    alone = overconfident(100, factors=(2.0,))
    with pytest.raises(NotFitted, match="needs two branches"):
        fit(alone, labels_of(alone), shares_of(alone))


def test_a_network_of_too_many_parameters_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = halves(200)
    for most, hidden in ((parameter_count((12, 64, 6)) - 1, None), (parameter_count((12, 6)), None)):
        monkeypatch.setattr(network, "MOST_PARAMETERS", most)
        assert fit_network(samples, labels_of(samples), shares_of(samples), 0).hidden_weights is hidden
    monkeypatch.setattr(network, "MOST_PARAMETERS", 77)
    with pytest.raises(NotFitted, match="would have 78 parameters for 6 classes; at most 77"):
        fit_network(samples, labels_of(samples), shares_of(samples), 0)
