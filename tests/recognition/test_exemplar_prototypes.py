import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from service.recognition.exemplars import exemplar_prototypes, picture_prototype, too_few_to_move
from service.recognition.scoring import unit

vectors = hnp.arrays(np.float32, (5, 4), elements=st.floats(-1, 1, width=32)).map(unit)
some_weights = hnp.arrays(np.float32, 5, elements=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
X, Y, Z = np.eye(3, dtype=np.float32)


def weights(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


def test_a_picture_prototype_is_the_unit_mean() -> None:
    assert picture_prototype(np.stack([X, Y])) == pytest.approx([0.5**0.5, 0.5**0.5, 0])


@pytest.mark.parametrize("weight", [0.25, 0.5, 1.0])
def test_a_class_lies_between_its_name_and_its_pictures(weight: float) -> None:
    texts, pictures = np.stack([X, Z]), np.stack([Y, Y])
    rows = exemplar_prototypes(texts, pictures, weights(weight, 0), shared_space=True)
    assert rows == pytest.approx(np.stack([unit((1 - weight) * X + weight * Y), Z]), abs=1e-6)


@pytest.mark.parametrize("shared", [True, False])
def test_pictures_are_moved_by_the_difference_of_the_means(shared: bool) -> None:
    texts = unit(np.array([[1, 0.1, 0], [1, 0, 0.2], [1, 0, 0]], np.float32))
    pictures = unit(np.array([[-1, 0.3, 0], [-1, 0, 0.4], [0, 0, 0]], np.float32))
    rows = exemplar_prototypes(texts, pictures, weights(0.5, 1, 0), shared_space=shared)
    gap = (texts[0] + texts[2]) / 2 - (pictures[0] + pictures[1]) / 2
    moved = [(row + gap) / np.linalg.norm(row + gap) for row in pictures[:2]]
    first = 0.5 * moved[0] + 0.5 * texts[0]
    assert rows == pytest.approx(np.stack([first / np.linalg.norm(first), moved[1], texts[2]]), abs=1e-6)


def test_pictures_alone_are_never_moved() -> None:
    pictures = np.stack([X, unit(X + Y)])
    rows = exemplar_prototypes(np.zeros((2, 3), np.float32), pictures, weights(1, 1), shared_space=False)
    assert rows == pytest.approx(pictures)


@pytest.mark.parametrize(
    ("numbers", "too_few"),
    [((0, 0), False), ((1, 1), False), ((1,), False), ((0.5,), True), ((0, 1), True), ((0, 1, 0.5), False)],
)
def test_one_class_with_pictures_among_names_cannot_be_moved(numbers: tuple[float, ...], too_few: bool) -> None:
    assert too_few_to_move(weights(*numbers), shared_space=False) is too_few
    assert not too_few_to_move(weights(*numbers), shared_space=True)
    rows = np.eye(len(numbers), dtype=np.float32)
    if too_few:
        with pytest.raises(ValueError, match="at least 2"):
            exemplar_prototypes(rows, rows, weights(*numbers), shared_space=False)
    else:
        assert exemplar_prototypes(rows, rows, weights(*numbers), shared_space=False).shape == rows.shape


@given(vectors, vectors, some_weights, st.booleans())
def test_prototypes_are_unit_or_zero_and_names_stay_as_they_are(
    texts: np.ndarray, pictures: np.ndarray, numbers: np.ndarray, shared: bool
) -> None:
    if too_few_to_move(numbers, shared_space=shared):
        return
    rows = exemplar_prototypes(texts, pictures, numbers, shared_space=shared)
    lengths = np.linalg.norm(rows, axis=1)
    assert rows.dtype == np.float32
    assert ((np.abs(lengths - 1) < 1e-5) | (lengths < 1e-5)).all()
    assert rows[numbers == 0] == pytest.approx(texts[numbers == 0], abs=1e-5)
