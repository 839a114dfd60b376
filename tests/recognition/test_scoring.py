import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.recognition.scoring import PEAK_OF, class_logits, prototypes, softmax, top_k, unit

numbers = st.floats(-50, 50, width=32)
rows = hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=numbers)


@given(rows)
def test_probabilities_are_positive_and_add_up_to_one(logits: np.ndarray) -> None:
    probabilities = softmax(logits)
    assert probabilities.dtype == np.float32
    assert (probabilities >= 0).all()
    assert probabilities.sum(axis=-1) == pytest.approx(1, abs=1e-5)


@given(rows, numbers)
def test_shifting_all_logits_changes_no_probability(logits: np.ndarray, shift: float) -> None:
    assert softmax(logits + np.float32(shift)) == pytest.approx(softmax(logits), abs=1e-4)


@given(rows)
def test_softmax_agrees_with_its_definition(logits: np.ndarray) -> None:
    powers = np.exp(logits.astype(np.float64))
    assert softmax(logits) == pytest.approx(powers / powers.sum(axis=-1, keepdims=True), abs=1e-5)


def test_softmax_of_very_large_logits_is_finite() -> None:
    assert softmax(np.array([[1e4, 0]], np.float32)).tolist() == [[1, 0]]


@given(rows)
def test_unit_vectors_have_length_one_or_are_zero(vectors: np.ndarray) -> None:
    lengths = np.linalg.norm(unit(vectors), axis=-1)
    zero = ~vectors.any(axis=-1)
    assert (lengths[zero] == 0).all()
    assert lengths[~zero & (np.linalg.norm(vectors, axis=-1) > 1e-20)] == pytest.approx(1, abs=1e-5)


def test_a_prototype_is_the_unit_mean_over_templates() -> None:
    embeddings = np.array([[[1, 0], [0, 1]], [[1, 0], [1, 0]]], np.float32)
    assert prototypes(embeddings) == pytest.approx(np.array([[0.5**0.5, 0.5**0.5], [1, 0]]), abs=1e-6)


def test_logits_are_scaled_cosines() -> None:
    views, classes = unit(np.array([[3, 4]], np.float32)), np.eye(2, dtype=np.float32)
    assert class_logits(views, classes, 100) == pytest.approx(np.array([[60, 80]]))


@given(hnp.arrays(np.float32, st.integers(1, 40), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])), st.integers(1, 50))
def test_top_k_agrees_with_a_full_stable_sort(scores: np.ndarray, k: int) -> None:
    assert top_k(scores, k).tolist() == np.argsort(-scores, kind="stable")[:k].tolist()


@given(st.integers(0, 999), st.integers(1, 12 * PEAK_OF), st.integers(1, 14), st.sampled_from([2, 50, 10**6]))
def test_top_k_of_many_classes_agrees_with_a_full_stable_sort(seed: int, classes: int, k: int, levels: int) -> None:
    scores = (np.random.default_rng(seed).integers(0, levels, classes) / levels).astype(np.float32)
    assert top_k(scores, k).tolist() == np.argsort(-scores, kind="stable")[:k].tolist()
