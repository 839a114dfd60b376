import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.recognition.answers import best_scores, branch_of
from service.recognition.fusion import FUSIONS, average, max_confidence
from service.recognition.scoring import softmax


@st.composite
def two_branches(draw: st.DrawFn) -> dict[str, np.ndarray]:
    count = draw(st.integers(1, 8))
    logits = hnp.arrays(np.float32, (2, count), elements=st.floats(-20, 20, width=32))
    full, fg = softmax(draw(logits))
    return {"full": full, "fg": fg}


@given(two_branches())
def test_max_confidence_takes_the_branch_that_is_surer(branches: dict[str, np.ndarray]) -> None:
    fused = max_confidence(branches)
    sure = {name: float(rows.max()) for name, rows in branches.items()}
    assert sure[fused.branch] == max(sure.values())
    assert np.array_equal(fused.probabilities, branches[fused.branch])


def test_of_equally_sure_branches_the_full_picture_answers() -> None:
    same = np.array([0.5, 0.5], np.float32)
    assert max_confidence({"full": same, "fg": same}).branch == "full"


@given(two_branches())
def test_the_average_lies_between_the_branches(branches: dict[str, np.ndarray]) -> None:
    fused = average(branches)
    stacked = np.stack(list(branches.values()))
    assert (fused.probabilities >= stacked.min(axis=0) - 1e-6).all()
    assert (fused.probabilities <= stacked.max(axis=0) + 1e-6).all()
    label = int(fused.probabilities.argmax())
    assert branches[fused.branch][label] == stacked[:, label].max()


@pytest.mark.parametrize("name", FUSIONS)
@given(branches=two_branches(), seed=st.integers(0, 99))
def test_permuting_the_classes_permutes_the_answer(name: str, branches: dict[str, np.ndarray], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(branches["full"].size)
    plain = FUSIONS[name](branches)
    shuffled = FUSIONS[name]({view: rows[order] for view, rows in branches.items()})
    assert shuffled.probabilities == pytest.approx(plain.probabilities[order])


@pytest.mark.parametrize("name", FUSIONS)
@given(branches=two_branches())
def test_one_branch_alone_is_returned_as_it_is(name: str, branches: dict[str, np.ndarray]) -> None:
    fused = FUSIONS[name]({"full": branches["full"]})
    assert fused.branch == "full"
    assert np.array_equal(fused.probabilities, branches["full"])


def test_scores_are_named_and_best_first() -> None:
    scores = best_scores(np.array([0.2, 0.5, 0.3], np.float32), ("a", "b", "c"), 2)
    assert [score.label for score in scores] == ["b", "c"]
    assert branch_of(scores).label == "b"
    assert branch_of(scores).confidence == pytest.approx(0.5)
