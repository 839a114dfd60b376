import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.recognition.fusion import FUSIONS, Evidence
from service.recognition.priors import LEAST_PROBABILITY, Prior, PriorTables, places_of

LABELS = ("chanterelle", "morel", "truffle")
PLACES = places_of(LABELS)
counts = st.lists(st.integers(0, 50), min_size=3, max_size=3)


def counted(numbers: list[int], smoothing: float = 1.0) -> Prior:
    return Prior("counts", {"beech": dict(zip(LABELS, map(float, numbers), strict=True))}, smoothing)


@given(counts, st.floats(0.1, 5))
def test_counts_are_smoothed_and_add_up_to_one(numbers: list[int], smoothing: float) -> None:
    total = sum(numbers) + 3 * smoothing
    expected = [(number + smoothing) / total for number in numbers]
    assert counted(numbers, smoothing).distribution("beech", PLACES) == pytest.approx(expected, abs=1e-5)


def test_what_probabilities_leave_is_shared_by_the_classes_not_named() -> None:
    prior = Prior("probabilities", {"beech": {"morel": 0.4}})
    assert prior.distribution("beech", PLACES) == pytest.approx([0.3, 0.4, 0.3])


def test_probabilities_of_classes_that_the_dataset_has_not_are_left_to_nobody() -> None:
    prior = Prior("probabilities", {"beech": {"morel": 0.4, "bolete": 0.6}})
    assert prior.distribution("beech", PLACES) == pytest.approx([0, 1, 0], abs=1e-5)


def test_probabilities_of_all_classes_are_taken_as_they_are() -> None:
    prior = Prior("probabilities", {"beech": {"chanterelle": 0.1, "morel": 0.2, "truffle": 0.7}})
    assert prior.distribution("beech", PLACES) == pytest.approx([0.1, 0.2, 0.7])


def test_the_impossible_stays_barely_possible_and_nothing_known_is_even() -> None:
    prior = Prior("probabilities", {"beech": {"morel": 1.0}})
    assert prior.distribution("beech", PLACES) == pytest.approx([LEAST_PROBABILITY, 1, LEAST_PROBABILITY], rel=1e-4)
    assert counted([0, 0, 0], smoothing=0).distribution("beech", PLACES) == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize(
    "prior",
    [
        counted([7, 7, 7]),
        counted([0, 0, 0]),
        Prior("probabilities", {"beech": dict.fromkeys(LABELS, 1 / 3)}),
        Prior("probabilities", {"beech": {}}),
    ],
)
@pytest.mark.parametrize("name", FUSIONS)
@settings(max_examples=10)
@given(seed=st.integers(0, 999))
def test_an_even_prior_changes_nothing(prior: Prior, name: str, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(20, 3, (2, 3)).astype(np.float32)
    weights = PriorTables({"tree": prior}, LABELS).apply({"tree": "beech"}).log_weights
    plain = FUSIONS[name](Evidence(("full", "fg"), logits, 0.5))
    other = FUSIONS[name](Evidence(("full", "fg"), logits, 0.5, weights))
    assert other.probabilities == pytest.approx(plain.probabilities, abs=1e-4)


@given(counts, counts, st.lists(st.integers(1, 9), min_size=3, max_size=3))
def test_reweighting_is_by_the_ratio_of_each_attribute_to_the_class_prior(
    trees: list[int], months: list[int], classes: list[int]
) -> None:
    month = Prior("counts", {"may": dict(zip(LABELS, map(float, months), strict=True))})
    class_prior = {label: number / sum(classes) for label, number in zip(LABELS, classes, strict=True)}
    metadata = {"tree": "beech", "month": "may"}
    applied = PriorTables({"tree": counted(trees), "month": month}, LABELS, class_prior).apply(metadata)
    for place, label in enumerate(LABELS):
        given_tree = (trees[place] + 1) / (sum(trees) + 3)
        given_month = (months[place] + 1) / (sum(months) + 3)
        expected = math.log(given_tree * given_month / class_prior[label] ** 2)
        assert applied.log_weights[place] == pytest.approx(expected, abs=1e-4)
    assert applied.used == metadata


def test_without_a_class_prior_the_classes_are_even() -> None:
    even = dict.fromkeys(LABELS, 1 / 3)
    weights = [
        PriorTables({"tree": counted([5, 1, 0])}, LABELS, p).apply({"tree": "beech"}).log_weights for p in (None, even)
    ]
    assert np.ptp(weights[1] - weights[0]) == pytest.approx(0, abs=1e-5)


def test_a_class_without_a_share_in_the_class_prior_is_not_reweighted() -> None:
    class_prior = {"chanterelle": 0.5, "morel": 0.5}
    applied = PriorTables({"tree": counted([5, 1, 0])}, LABELS, class_prior).apply({"tree": "beech"})
    assert applied.log_weights == pytest.approx([math.log(6 / 9 / 0.5), math.log(2 / 9 / 0.5), 0], abs=1e-4)


def test_what_is_not_known_is_ignored_with_the_reason() -> None:
    priors = {"tree": Prior("counts", {f"tree {number}": {} for number in range(30)}), "month": Prior("counts", {})}
    applied = PriorTables(priors, LABELS).apply({"tree": "oak", "month": "may", "soil": "chalk"})
    assert applied.log_weights is None
    assert not applied.used
    assert applied.ignored["tree"].startswith("'oak' is not among its values tree 0, tree 1")
    assert applied.ignored["tree"].endswith("and 10 more")
    assert applied.ignored["month"] == "'may' is not among its values none"
    assert applied.ignored["soil"] == "the dataset has no prior for it; it has tree, month"


@pytest.mark.parametrize(
    ("kind", "row", "smoothing", "message"),
    [
        ("counts", {"morel": -1.0}, 1.0, "not negative"),
        ("counts", {"morel": math.nan}, 1.0, "finite"),
        ("counts", {}, -1.0, "smoothing"),
        ("counts", {}, math.inf, "smoothing"),
        ("probabilities", {"morel": 0.7, "truffle": 0.4}, 1.0, "given 'beech' add up to more than 1"),
    ],
)
def test_a_prior_that_cannot_be_meant_cannot_be_built(
    kind: str, row: dict[str, float], smoothing: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Prior(kind, {"beech": row}, smoothing)
