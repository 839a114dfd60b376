import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.recognition.abstention import ABSTAIN_BY, LEAST_BOX_SCORE, presence

cosine = st.floats(-1, 1, width=32)
rows = hnp.arrays(np.float32, 4, elements=cosine)
views = st.dictionaries(st.sampled_from(["full", "fg", "fg_mask", "bg_box"]), rows, min_size=1)
labels = st.integers(0, 3)
scores = st.none() | st.floats(0, 1)


@given(views, labels, scores)
def test_presence_is_the_mean_cosine_times_the_boxs_score(
    cosines: dict[str, np.ndarray], label: int, score: float | None
) -> None:
    total = 0.0
    for row in cosines.values():
        total += float(row[label])
    weight = 1.0 if score is None else score if score > LEAST_BOX_SCORE else LEAST_BOX_SCORE
    expected = total / len(cosines) * weight if total > 0 else 0.0
    assert presence(cosines, label, score) == pytest.approx(expected, abs=1e-6)


@given(views, labels, scores)
def test_presence_lies_between_nothing_and_certainty(
    cosines: dict[str, np.ndarray], label: int, score: float | None
) -> None:
    assert 0 <= presence(cosines, label, score) <= 1 + 1e-6


@given(views, labels, st.floats(0, 1), st.floats(0, 1))
def test_a_better_box_never_speaks_against_an_object(
    cosines: dict[str, np.ndarray], label: int, first: float, second: float
) -> None:
    worse, better = sorted((first, second))
    assert presence(cosines, label, worse) <= presence(cosines, label, better) <= presence(cosines, label, None)


@given(views, labels)
def test_a_class_does_not_depend_on_the_others(cosines: dict[str, np.ndarray], label: int) -> None:
    alone = {name: row[label : label + 1] for name, row in cosines.items()}
    assert presence(alone, 0, 0.5) == presence(cosines, label, 0.5)


@pytest.mark.parametrize(("score", "expected"), [(None, 0.4), (0.5, 0.2), (0.0, 0.02), (0.01, 0.02)])
def test_known_presences(score: float | None, expected: float) -> None:
    cosines = {"full": np.array([0.2, 0.9], np.float32), "fg": np.array([0.6, 0.1], np.float32)}
    assert presence(cosines, 0, score) == pytest.approx(expected)


def test_a_cosine_below_zero_is_no_presence() -> None:
    assert presence({"full": np.array([-0.3], np.float32)}, 0, 0.9) == 0.0


def test_confidence_is_what_abstention_looks_at_unless_told() -> None:
    assert ABSTAIN_BY == ("confidence", "presence")
