import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from service.models.comparing import MANY_CLASSES, ResidentPrototypes
from service.models.hardware import Hardware, use_torch_threads
from service.recognition.scoring import unit

PLAIN, WITH_BFLOAT16 = (Hardware("cpu", bfloat16, 1) for bfloat16 in (False, True))


def unit_rows(seed: int, count: int, dimensions: int) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.integers(1, 5), st.integers(1, 600), st.integers(1, 80))
def test_cosines_agree_with_double_precision(seed: int, views: int, classes: int, dimensions: int) -> None:
    seen, prototypes = unit_rows(seed, views, dimensions), unit_rows(seed + 1, classes, dimensions)
    cosines = ResidentPrototypes(prototypes, PLAIN)(seen, 5)
    assert cosines.shape == (views, classes)
    assert cosines.dtype == np.float32
    assert cosines == pytest.approx(seen.astype(np.float64) @ prototypes.astype(np.float64).T, abs=1e-6)


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("wanted", [5, 1000])
def test_among_many_classes_the_best_are_exact_and_the_rest_add_up_right(views: int, wanted: int) -> None:
    prototypes = unit_rows(1, MANY_CLASSES + 77, 96)
    seen = unit(prototypes[:views] + 0.1 * unit_rows(2, views, 96))
    found = ResidentPrototypes(prototypes, WITH_BFLOAT16)(seen, wanted)
    exact = seen.astype(np.float64) @ prototypes.astype(np.float64).T
    assert np.abs(found - exact).max() < 0.004
    for row, true in zip(found, exact, strict=True):
        best = np.argsort(-true, kind="stable")[:wanted]
        assert np.array_equal(np.argsort(-row, kind="stable")[:wanted], best)
        assert row[best] == pytest.approx(true[best], abs=1e-6)
        assert found[:, best] == pytest.approx(exact[:, best], abs=1e-6)  # of any view's best, every view's cosine
        for scale in (10, 100):
            assert np.exp(scale * row.astype(np.float64)).sum() == pytest.approx(np.exp(scale * true).sum(), rel=2e-3)


def test_all_classes_are_exact_where_all_may_count() -> None:
    prototypes, seen = unit_rows(1, MANY_CLASSES, 96), unit_rows(2, 2, 96)
    found = ResidentPrototypes(prototypes, WITH_BFLOAT16)(seen, MANY_CLASSES)
    assert np.array_equal(found, ResidentPrototypes(prototypes, PLAIN)(seen, 1))


def test_few_classes_are_all_exact_on_any_processor() -> None:
    prototypes, seen = unit_rows(1, 500, 96), unit_rows(2, 2, 96)
    found = ResidentPrototypes(prototypes, WITH_BFLOAT16)(seen, 5)
    assert np.array_equal(found, ResidentPrototypes(prototypes, PLAIN)(seen, 5))


def test_prototypes_on_the_cpu_are_not_copied() -> None:
    prototypes = unit_rows(1, 7, 5)
    compare = ResidentPrototypes(prototypes, PLAIN)
    prototypes[:] = 0
    assert not compare(unit_rows(2, 1, 5), 1).any()


def in_a_new_thread(ask: Callable[[], int]) -> int:
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(ask()))
    thread.start()
    thread.join()
    return answers[0]


def test_a_thread_may_compute_alone_and_leave_the_others_as_they_are() -> None:
    usual = in_a_new_thread(torch.get_num_threads)

    def chosen(*counts: int) -> int:
        for count in counts:
            use_torch_threads(count)
        return torch.get_num_threads()

    assert in_a_new_thread(lambda: chosen(usual + 1)) == usual + 1
    assert in_a_new_thread(lambda: chosen(usual + 1, 1)) == 1
    assert in_a_new_thread(torch.get_num_threads) == usual
