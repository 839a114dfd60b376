import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.evaluation.metrics import (
    Interval,
    bootstrap,
    confusion_counts,
    differences,
    intervals,
    macro_accuracy,
    micro_accuracy,
    per_class,
    share_answered,
    threshold_keeping,
    top_confusions,
)


@st.composite
def judged(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """`correct [N, M]` and `classes [N]`."""
    pictures, methods = draw(st.integers(1, 40)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.random((pictures, methods)) < rng.random(methods), rng.integers(0, draw(st.integers(1, 8)), pictures)


@given(judged())
def test_accuracies_are_those_of_loops(case: tuple[np.ndarray, np.ndarray]) -> None:
    correct, classes = case
    for method in range(correct.shape[1]):
        pairs = list(zip(classes.tolist(), correct[:, method].tolist(), strict=True))
        assert micro_accuracy(correct)[method] == pytest.approx(sum(right for _, right in pairs) / len(pairs))
        recalls = []
        for one in sorted(set(classes.tolist())):
            hits = [right for label, right in pairs if label == one]
            recalls.append(sum(hits) / len(hits))
        assert macro_accuracy(correct, classes)[method] == pytest.approx(sum(recalls) / len(recalls))
        assert per_class(correct, classes)[2][:, method] == pytest.approx(recalls)
    present, counts, _ = per_class(correct, classes)
    assert dict(zip(present.tolist(), counts.tolist(), strict=True)) == {
        one: classes.tolist().count(one) for one in set(classes.tolist())
    }


def test_a_class_without_pictures_does_not_lower_macro_accuracy() -> None:
    correct, classes = np.array([[True], [True], [False], [True]]), np.array([0, 0, 7, 7])
    assert macro_accuracy(correct, classes) == pytest.approx([0.75])


def test_macro_accuracy_counts_a_rare_class_like_a_common_one() -> None:
    correct = np.array([[True]] * 99 + [[False]])
    classes = np.array([0] * 99 + [1])
    assert micro_accuracy(correct) == pytest.approx([0.99])
    assert macro_accuracy(correct, classes) == pytest.approx([0.5])


def test_without_pictures_there_is_no_accuracy() -> None:
    none, classes = np.zeros((0, 2), np.bool_), np.zeros(0, np.intp)
    with pytest.raises(ValueError, match="no pictures"):
        micro_accuracy(none)
    with pytest.raises(ValueError, match="no pictures"):
        macro_accuracy(none, classes)
    with pytest.raises(ValueError, match="no pictures"):
        bootstrap(none, classes, np.random.default_rng(0))
    with pytest.raises(ValueError, match="at least one resample"):
        bootstrap(np.ones((1, 1), np.bool_), np.zeros(1, np.intp), np.random.default_rng(0), 0)


@settings(max_examples=40)
@given(judged(), st.integers(0, 99))
def test_draws_are_those_of_a_loop_over_resamples(case: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    correct, classes = case
    draws = bootstrap(correct, classes, np.random.default_rng(seed), 20)
    order = np.argsort(classes, kind="stable")
    rng = np.random.default_rng(seed)
    for turn in range(20):
        chosen = order[rng.integers(0, len(correct), len(correct))]
        assert draws.micro[turn] == pytest.approx(micro_accuracy(correct[chosen]))
        assert draws.macro[turn] == pytest.approx(macro_accuracy(correct[chosen], classes[chosen]))


@given(judged(), st.integers(0, 99))
def test_intervals_hold_their_value_and_stay_within_shares(case: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    correct, classes = case
    draws = bootstrap(correct, classes, np.random.default_rng(seed), 30)
    for values, of in ((micro_accuracy(correct), draws.micro), (macro_accuracy(correct, classes), draws.macro)):
        for value, found in zip(values, intervals(values, of), strict=True):
            assert found.value == value
            assert 0 <= found.low <= value <= found.high <= 1
        first, *others = differences(values, of)
        assert (first.value, first.low, first.high) == (0, 0, 0)
        assert all(-1 <= other.low <= other.value <= other.high <= 1 for other in others)


def test_an_interval_holds_its_value() -> None:
    with pytest.raises(ValueError, match="is not from"):
        Interval(0.5, 0.6, 0.7)


def test_intervals_cover_the_true_accuracy_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    truth = np.array([0.7, 0.8])
    covered, covered_delta = 0, 0
    for _ in range(200):
        ease = rng.random(250)  # shared by both methods, so that their difference is steadier than either
        correct = ease[:, None] < truth
        classes = rng.integers(0, 5, 250)
        draws = bootstrap(correct, classes, rng, 200)
        first, _ = intervals(micro_accuracy(correct), draws.micro)
        _, delta = differences(micro_accuracy(correct), draws.micro)
        covered += first.low <= truth[0] <= first.high
        covered_delta += delta.low <= truth[1] - truth[0] <= delta.high
        assert delta.high - delta.low < first.high - first.low
    assert 180 <= covered <= 198
    assert 178 <= covered_delta <= 199


def test_more_pictures_make_narrower_intervals() -> None:
    rng = np.random.default_rng(3)
    widths = []
    for pictures in (50, 800):
        correct, classes = rng.random((pictures, 1)) < 0.7, rng.integers(0, 4, pictures)
        [found] = intervals(macro_accuracy(correct, classes), bootstrap(correct, classes, rng, 400).macro)
        widths.append(found.high - found.low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.3)


def test_the_same_seed_draws_the_same() -> None:
    correct = np.random.default_rng(0).random((60, 3)) < 0.5
    classes = np.arange(60) % 7
    first, second = (bootstrap(correct, classes, np.random.default_rng([4, 1]), 50) for _ in range(2))
    assert np.array_equal(first.micro, second.micro)
    assert np.array_equal(first.macro, second.macro)


def test_resamples_in_several_runs_are_as_many_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    correct, classes = np.random.default_rng(0).random((60, 3)) < 0.5, np.arange(60) % 7
    whole = bootstrap(correct, classes, np.random.default_rng(1), 50)
    monkeypatch.setattr("service.evaluation.metrics.WEIGHTS_AT_ONCE", 60 * 8)
    parts = bootstrap(correct, classes, np.random.default_rng(1), 50)
    assert parts.micro.shape == (50, 3)
    assert parts.macro == pytest.approx(whole.macro)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1))
def test_confusions_are_counted(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(pairs, np.intp).T
    counts = confusion_counts(truth, predicted, 6)
    assert counts.sum() == len(pairs)
    assert all(counts[pair] == pairs.count(pair) for pair in set(pairs))
    found = top_confusions(truth, predicted, 3)
    wrong = {pair: pairs.count(pair) for pair in pairs if pair[0] != pair[1]}
    assert [n for _, _, n in found] == sorted(wrong.values(), reverse=True)[:3]
    assert all(wrong[a, b] == n for a, b, n in found)


def test_top_confusions_of_many_classes_need_no_square_of_them() -> None:
    truth, predicted = np.array([0, 0, 10**9]), np.array([10**9, 10**9, 3])
    assert top_confusions(truth, predicted, 5) == [(0, 10**9, 2), (10**9, 3, 1)]


@given(
    st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1),
    st.floats(0.01, 1),
)
def test_the_threshold_is_the_highest_that_keeps_enough(answers: list[tuple[float, bool]], keep: float) -> None:
    confidence, correct = np.array([c for c, _ in answers], np.float32), np.array([right for _, right in answers])
    threshold = threshold_keeping(confidence, correct, keep)
    right = confidence[correct]
    if not right.size:
        assert threshold == 0
        return
    assert (right >= threshold).sum() >= keep * right.size - 1e-6
    higher = right[right > threshold]
    assert higher.size < keep * right.size


def test_a_threshold_keeps_exactly_nineteen_of_twenty() -> None:
    confidence = np.linspace(0.05, 1, 20, dtype=np.float32)
    threshold = threshold_keeping(confidence, np.ones(20, np.bool_), 0.95)
    assert threshold == pytest.approx(0.1)
    assert share_answered(confidence, threshold) == 0.95
    assert share_answered(confidence[:0], threshold) is None


@pytest.mark.parametrize("keep", [0, -0.5, 1.5])
def test_a_share_that_cannot_be_kept_is_refused(keep: float) -> None:
    with pytest.raises(ValueError, match="can be kept"):
        threshold_keeping(np.ones(2, np.float32), np.ones(2, np.bool_), keep)
