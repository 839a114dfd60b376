import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.recognition.reliability import bins_of, expected_calibration_error, reliability

sure = hnp.arrays(np.float32, st.integers(1, 60), elements=st.floats(0, 1, width=32))


@given(sure, st.integers(1, 20), st.integers(0, 99))
def test_the_error_agrees_with_its_definition(confidence: np.ndarray, bins: int, seed: int) -> None:
    right = np.random.default_rng(seed).random(confidence.size) < confidence
    error = 0.0
    for place in range(bins):
        low, high = place / bins, (place + 1) / bins
        held = [
            (float(c), bool(r))
            for c, r in zip(confidence, right, strict=True)
            if low < float(c) <= high or (place == 0 and c == 0)
        ]
        if held:
            gap = sum(c for c, _ in held) / len(held) - sum(r for _, r in held) / len(held)
            error += len(held) / confidence.size * abs(gap)
    found = expected_calibration_error(confidence, right, bins)
    # On an edge, where the two may round to different bins, each such answer counts for at most 2 / N.
    edges = np.isclose(confidence * bins, np.round(confidence * bins), atol=1e-6).sum()
    assert found == pytest.approx(error, abs=1e-9 + 2 * edges / confidence.size)
    assert 0 <= found <= 1


@given(sure)
def test_every_answer_lies_in_one_bin(confidence: np.ndarray) -> None:
    diagram = reliability(confidence, confidence > 0.5)
    assert diagram.counts.sum() == confidence.size
    assert (diagram.confidence * diagram.counts).sum() == pytest.approx(confidence.sum(), rel=1e-4, abs=1e-6)
    assert (diagram.accuracy * diagram.counts).sum() == pytest.approx((confidence > 0.5).sum())


def test_answers_that_are_as_often_right_as_they_are_sure_have_no_error() -> None:
    assert expected_calibration_error(np.full(10, 0.7), np.arange(10) < 7) == pytest.approx(0, abs=1e-9)


def test_the_surest_wrong_answers_have_the_largest_error() -> None:
    assert expected_calibration_error(np.ones(5, np.float32), np.zeros(5, bool)) == 1


def test_of_no_answers_the_error_is_none() -> None:
    assert expected_calibration_error(np.zeros(0, np.float32), np.zeros(0, bool)) == 0


def test_a_bin_holds_its_upper_edge_and_the_first_one_0() -> None:
    assert bins_of(np.array([0, 0.25, 0.2500001, 0.5, 1]), 4).tolist() == [0, 0, 1, 1, 3]
