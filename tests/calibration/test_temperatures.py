import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_samples import drawn_logits

from service.calibration.refusals import NotFitted
from service.calibration.temperatures import HIGHEST, LEAST_PICTURES, LOWEST, fit_temperature


def cross_entropy(logits: np.ndarray, truth: np.ndarray, temperature: float) -> float:
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(truth)), truth]).mean())


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_logits_multiplied_by_a_number_get_that_temperature(factor: float) -> None:
    logits, truth = drawn_logits(4000, 5, seed=1)
    assert fit_temperature(logits * np.float32(factor), truth) == pytest.approx(factor, rel=0.08)


@settings(max_examples=20)
@given(seed=st.integers(0, 999), classes=st.integers(2, 8))
def test_no_temperature_on_a_grid_has_a_lower_cross_entropy(seed: int, classes: int) -> None:
    logits, truth = drawn_logits(60, classes, seed)
    found = cross_entropy(logits, truth, fit_temperature(logits, truth))
    grid = np.geomspace(LOWEST, HIGHEST, 60)
    assert found <= min(cross_entropy(logits, truth, temperature) for temperature in grid) + 1e-4


@settings(max_examples=20)
@given(seed=st.integers(0, 999), shift=st.floats(-30, 30))
def test_neither_the_order_of_the_classes_nor_a_shift_changes_a_temperature(seed: int, shift: float) -> None:
    logits, truth = drawn_logits(60, 4, seed)
    order = np.random.default_rng(seed).permutation(4)
    turned = (logits + np.float32(shift))[:, order]
    assert fit_temperature(turned, np.argsort(order)[truth]) == pytest.approx(fit_temperature(logits, truth), rel=1e-2)


def test_answers_worse_than_chance_get_the_highest_temperature() -> None:
    logits, _ = drawn_logits(200, 3, seed=2)
    assert fit_temperature(logits, logits.argmin(axis=1)) == pytest.approx(HIGHEST, rel=0.01)


def test_a_branch_that_is_always_right_has_no_temperature() -> None:
    logits, _ = drawn_logits(50, 3, seed=3)
    with pytest.raises(NotFitted, match="its 50 answers are right"):
        fit_temperature(logits, logits.argmax(axis=1))


def test_a_branch_that_saw_few_pictures_has_no_temperature() -> None:
    logits, truth = drawn_logits(LEAST_PICTURES - 1, 3, seed=4)
    with pytest.raises(NotFitted, match="needs 10 pictures that the branch saw; it saw 9"):
        fit_temperature(logits, truth)
