import numpy as np
import pytest

from service.evaluation.background import adversarial_rate, background_gap


def test_the_gap_is_the_accuracy_that_the_right_background_is_worth() -> None:
    parts = {"mixed_same": np.array([True, True, True, False]), "mixed_rand": np.array([True, False])}
    assert background_gap(parts) == pytest.approx(0.25)
    assert background_gap({"mixed_same": parts["mixed_rand"], "mixed_rand": parts["mixed_same"]}) == -0.25


def test_there_is_no_gap_without_both_parts() -> None:
    some = np.array([True])
    assert background_gap({"mixed_same": some}) is None
    assert background_gap({"mixed_rand": some}) is None
    assert background_gap({"mixed_same": some, "mixed_rand": np.array([], np.bool_)}) is None


def test_one_wrong_answer_is_enough_for_a_foreground_to_be_fooled() -> None:
    correct = np.array([True, False, True, True, False, False])
    assert adversarial_rate(correct, ["a", "a", "b", "b", "c", "c"]) == pytest.approx(2 / 3)
    assert adversarial_rate(np.array([True, True]), ["a", "b"]) == 0.0
    assert adversarial_rate(np.array([], np.bool_), []) is None


def test_answers_and_foregrounds_are_as_many() -> None:
    with pytest.raises(ValueError, match="2 answers to 1 pictures"):
        adversarial_rate(np.array([True, False]), ["a"])
