import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_samples import drawn_logits, overconfident, samples_of

from service.calibration.choices import fit_abstention, fit_threshold, fit_weights
from service.calibration.measuring import abstention
from service.calibration.options import FitOptions
from service.calibration.refusals import NotFitted
from service.calibration.samples import Samples
from service.recognition.calibration import NEUTRAL, Calibration
from service.recognition.evidence import Evidence
from service.recognition.fusion import FUSIONS

seeds = st.integers(0, 9999)


def right_with(threshold: float, evidence: list[Evidence], truth: np.ndarray) -> int:
    answers = [FUSIONS["threshold"](item, Calibration(threshold=threshold)).probabilities for item in evidence]
    return sum(int(row.argmax()) == label for row, label in zip(answers, truth, strict=True))


@settings(max_examples=8)
@given(seed=seeds, missing=st.floats(0, 0.9))
def test_no_threshold_is_right_more_often(seed: int, missing: float) -> None:
    drawn = np.random.default_rng(seed)
    logits, truth = drawn_logits(40, 3, seed)
    present = np.stack([np.ones(40, bool), drawn.random(40) >= missing], axis=1)
    present[0] = True
    both = np.stack([logits, drawn.normal(25, 2, logits.shape)], axis=1)
    evidence = samples_of(both, truth, present=present).evidence()
    found = fit_threshold(evidence, truth)
    best = max(right_with(threshold, evidence, truth) for threshold in np.linspace(0, 1, 101))
    assert right_with(found, evidence, truth) >= best


def crops_with(confidences: list[float], crop_is_right: list[bool]) -> tuple[list[Evidence], np.ndarray]:
    """Pictures of class 0 whose crop has a confidence and is right or not; the full picture, surer, is the other."""
    evidence = []
    for confidence, right in zip(confidences, crop_is_right, strict=True):
        crop = np.log([confidence, 1 - confidence])[:: 1 if right else -1]
        full = np.log([0.99, 0.01])[:: -1 if right else 1]
        evidence.append(Evidence(("full", "fg"), np.array([full, crop], np.float32)))
    return evidence, np.zeros(len(evidence), np.intp)


def test_the_threshold_lies_in_the_middle_of_the_best_range() -> None:
    evidence, truth = crops_with([0.6, 0.7, 0.9, 0.95], [False, False, True, True])
    assert fit_threshold(evidence, truth) == pytest.approx(0.8)


def test_a_crop_that_is_always_right_is_always_asked_and_one_that_never_is_never() -> None:
    evidence, truth = crops_with([0.6, 0.7], [True, True])
    assert fit_threshold(evidence, truth) == pytest.approx(0.3)
    evidence, truth = crops_with([0.6, 0.7], [False, False])
    assert fit_threshold(evidence, truth) == pytest.approx(0.85)


def test_where_the_threshold_makes_no_difference_it_is_a_half() -> None:
    same = Evidence(("full", "fg"), np.array([[1, 0], [1, 0]], np.float32))
    assert fit_threshold([same] * 5, np.zeros(5, np.intp)) == 0.5


def test_a_threshold_needs_two_views() -> None:
    alone = Evidence(("full",), np.array([[1, 0]], np.float32))
    with pytest.raises(NotFitted, match="two views"):
        fit_threshold([alone] * 5, np.zeros(5, np.intp))


def right_with_weights(scaled: np.ndarray, truth: np.ndarray, weights: tuple[float, ...]) -> int:
    return int((np.einsum("nvl,v->nl", scaled, np.array(weights, np.float32)).argmax(axis=1) == truth).sum())


@settings(max_examples=20)
@given(seed=seeds, branches=st.integers(2, 4))
def test_weights_add_up_to_one_and_no_even_or_single_weighting_is_right_more_often(seed: int, branches: int) -> None:
    logits, truth = drawn_logits(40, 4, seed)
    noise = np.random.default_rng(seed).normal(0, 3, (40, branches, 4))
    scaled = (logits[:, None] + noise).astype(np.float32)
    weights = fit_weights(scaled, truth, seed)
    assert sum(weights) == pytest.approx(1, abs=1e-9)
    assert min(weights) >= 0
    others = [*np.eye(branches), np.full(branches, 1 / branches)]
    most = max(right_with_weights(scaled, truth, tuple(other)) for other in others)
    assert right_with_weights(scaled, truth, weights) >= most
    assert weights == fit_weights(scaled, truth, seed)


@settings(max_examples=20)
@given(seed=seeds)
def test_of_two_branches_no_step_is_right_more_often(seed: int) -> None:
    scaled = overconfident(40, seed=seed)
    weights = fit_weights(scaled.logits, scaled.truth, seed)
    steps = [(step / 100, 1 - step / 100) for step in range(101)]
    most = max(right_with_weights(scaled.logits, scaled.truth, step) for step in steps)
    assert right_with_weights(scaled.logits, scaled.truth, weights) >= most - 1  # rounding may turn a tie


def test_weights_that_make_no_difference_are_even() -> None:
    right = np.tile(np.array([1, 0], np.float32), (6, 3, 1))
    assert fit_weights(right[:, :2], np.zeros(6, np.intp), 0) == (0.5, 0.5)
    assert fit_weights(right, np.zeros(6, np.intp), 0) == pytest.approx((1 / 3,) * 3)


def test_the_weights_lie_in_the_middle_of_the_best_range() -> None:
    # Right for weights of the first branch above 0.25 and below 0.75: margins w - (1 - w) / 3 and (1 - w) - w / 3.
    scaled = np.array([[[1, 0], [0, 1 / 3]], [[0, 1 / 3], [1, 0]]], np.float32)
    assert fit_weights(scaled, np.zeros(2, np.intp), 0) == (0.5, 0.5)
    assert fit_weights(scaled[:1], np.zeros(1, np.intp), 0) == pytest.approx((0.62, 0.38), abs=0.011)


def test_weights_need_two_branches_and_pictures() -> None:
    for shape in ((5, 1, 3), (0, 2, 3)):
        with pytest.raises(NotFitted, match="two branches"):
            fit_weights(np.zeros(shape, np.float32), np.zeros(shape[0], np.intp), 0)


@given(seed=seeds, keep=st.floats(0.01, 1), count=st.integers(1, 50))
def test_abstention_keeps_enough_right_answers_and_no_higher_level_does(seed: int, keep: float, count: int) -> None:
    drawn = np.random.default_rng(seed)
    confidence, right = drawn.random(count).astype(np.float32), drawn.random(count) < 0.7
    level = fit_abstention(confidence, right, keep)
    kept = (confidence[right] >= level).sum()
    assert kept >= keep * right.sum() - 1e-6
    if right.any():
        higher = confidence[right] > level
        assert higher.sum() < keep * right.sum()


def test_without_a_right_answer_nothing_is_withheld() -> None:
    assert fit_abstention(np.array([0.5], np.float32), np.array([False]), 0.95) == 0.0


def test_abstention_by_presence_counts_the_boxes_score() -> None:
    """Two pictures look alike; the one whose box is doubtful is held to be of none of the classes."""
    logits = np.tile(np.array([[[6.0, 2.0], [6.0, 2.0]]], np.float32), (4, 1, 1))
    scores = np.array([0.9, 0.8, 0.7, 0.1], np.float32)
    truth = np.array([0, 0, 0, -1])
    samples = Samples(("full", "fg"), logits, np.ones((4, 2), np.bool_), truth, scores, logit_scale=20.0)
    known, none = samples.at(np.arange(3)), samples.at(np.array([3]))
    by_presence = FitOptions(abstain_by="presence", keep_right=1.0)
    level, kept, answered = abstention("max_confidence", NEUTRAL, known, none, by_presence)
    assert level == pytest.approx(0.3 * 0.7)
    assert (kept, answered) == (1.0, 0.0)
    assert abstention("max_confidence", NEUTRAL, known, none, FitOptions(keep_right=1.0))[2] == 1.0
