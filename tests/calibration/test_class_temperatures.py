import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_samples import drawn_logits

from service.calibration.class_temperatures import FACTORS, PASSES, fit_class_temperatures
from service.calibration.refusals import NotFitted
from service.recognition.calibration import Calibration
from service.recognition.reliability import expected_calibration_error
from service.recognition.scoring import softmax


def figures(logits: np.ndarray, truth: np.ndarray, row: np.ndarray) -> tuple[int, float]:
    """Right answers and calibration error with temperatures, as the branch answers."""
    probabilities = softmax(Calibration(temperatures={"fg": tuple(row.tolist())}).scaled("fg", logits))
    right = probabilities.argmax(axis=1) == truth
    return int(right.sum()), expected_calibration_error(probabilities.max(axis=1), right)


def uneven(count: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated logits, those of the first half of the classes then multiplied by 2."""
    logits, truth = drawn_logits(count, classes, seed, offset=0.0)
    logits[:, : classes // 2] *= 2
    return logits, truth


def plain_search(logits: np.ndarray, truth: np.ndarray, start: float) -> np.ndarray:
    """The greedy search with everything computed anew for each trial."""
    row = np.full(logits.shape[1], start)
    said = (logits - logits.mean(axis=1, keepdims=True)).argmax(axis=1)
    counts = [sum((truth == label) | (said == label)) for label in range(len(row))]
    for _ in range(PASSES):
        for label in sorted(range(len(row)), key=lambda label: -counts[label]):
            best, least = row.copy(), figures(logits, truth, row)
            for factor in FACTORS:
                tried = row.copy()
                tried[label] = start * factor
                found = figures(logits, truth, tried)
                if found[0] >= figures(logits, truth, row)[0] and found[1] < least[1] - 1e-9:
                    best, least = tried, found
            row = best
    return row


@pytest.mark.parametrize("seed", range(3))
def test_the_search_agrees_with_one_that_computes_everything_anew(seed: int) -> None:
    logits, truth = uneven(80, 3, seed)
    found, few = fit_class_temperatures(logits, truth, 1.2)
    assert few == 0
    assert found == pytest.approx(plain_search(logits, truth, 1.2))


@settings(max_examples=30)
@given(seed=st.integers(0, 9999), classes=st.integers(2, 8), start=st.floats(0.1, 5))
def test_no_right_answer_is_lost_and_the_error_does_not_grow(seed: int, classes: int, start: float) -> None:
    logits, truth = uneven(120, classes, seed)
    before = figures(logits, truth, np.full(classes, start))
    row, _ = fit_class_temperatures(logits, truth, start)
    after = figures(logits, truth, row)
    assert after[0] >= before[0]
    assert after[1] <= before[1] + 2e-3  # classes that hardly matter to a picture are not looked at
    assert (row >= start / 2 - 1e-9).all()
    assert (row <= start * 2 + 1e-9).all()


def test_classes_that_are_surer_by_a_factor_get_higher_temperatures() -> None:
    logits, truth = uneven(6000, 4, seed=5)
    held_out, held_out_truth = uneven(6000, 4, seed=6)
    row, _ = fit_class_temperatures(logits, truth, 1.3)
    assert row[:2].min() > row[2:].max()
    before = figures(held_out, held_out_truth, np.full(4, 1.3))
    after = figures(held_out, held_out_truth, row)
    assert after[1] < before[1]
    assert after[0] > before[0]


def test_permuting_the_classes_permutes_their_temperatures() -> None:
    logits, truth = uneven(300, 4, seed=7)
    order = np.array([2, 0, 3, 1])
    row, _ = fit_class_temperatures(logits, truth, 1.3)
    turned, _ = fit_class_temperatures(logits[:, order], np.argsort(order)[truth], 1.3)
    assert turned == pytest.approx(row[order])


def test_a_class_that_almost_no_picture_is_or_is_said_to_be_keeps_the_temperature_of_the_branch() -> None:
    logits, truth = uneven(200, 4, seed=8)
    logits = np.concatenate([logits, np.full((200, 2), -20, np.float32)], axis=1)
    row, few = fit_class_temperatures(logits, truth, 1.3)
    assert few == 2
    assert row[4:].tolist() == [1.3, 1.3]
    assert (row[:4] != 1.3).any()


def test_without_a_class_of_enough_pictures_there_is_nothing_to_search() -> None:
    logits, truth = drawn_logits(12, 4, seed=9)
    with pytest.raises(NotFitted, match="needs 10 pictures of a class"):
        fit_class_temperatures(logits, truth, 1.0)
