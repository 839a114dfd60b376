from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.datasets.records import Dataset
from service.datasets.spec import ClassEntry, DatasetSpec
from service.models.comparing import ResidentPrototypes
from service.models.hardware import Hardware
from service.recognition.calibration import Calibration
from service.recognition.fusion import FUSIONS
from service.recognition.priors import Prior
from service.recognition.scoring import unit
from service.stages.answering import Answering
from service.stages.options import Abilities, Limits, Options, plan_for

CLASSES, DIMENSIONS, SCALE = 3000, 24, 25.0
LABELS = tuple(f"class {number}" for number in range(CLASSES))
MONTH = Prior("counts", {"may": {label: float(place % 5) for place, label in enumerate(LABELS)}})
SPEC = DatasetSpec(tuple(ClassEntry(label) for label in LABELS), priors={"month": MONTH})
VIEWS = ("full", "center_crop", "fg")
PLAIN = Hardware("cpu", False, 1)


class CountedProducts:
    extra_bytes = 0

    def __init__(self, prototypes: np.ndarray) -> None:
        self._compare = ResidentPrototypes(prototypes, PLAIN)
        self.products, self.exact = 0, 0

    def __call__(self, views: np.ndarray, best: int) -> np.ndarray:
        self.products, self.exact = self.products + 1, best
        return self._compare(views, best)


def case(seed: int) -> tuple[Dataset, CountedProducts, dict[str, np.ndarray]]:
    """Prototypes, and views that lean towards some of them."""
    random = np.random.default_rng(seed)
    prototypes = unit(random.normal(size=(CLASSES, DIMENSIONS)).astype(np.float32))
    near = prototypes[random.integers(0, CLASSES, len(VIEWS))]
    rows = unit((near + random.normal(0, 0.1, near.shape)).astype(np.float32))
    compare = CountedProducts(prototypes)
    return Dataset("v", SPEC, LABELS, prototypes, compare), compare, dict(zip(VIEWS, rows, strict=True))


def answering(dataset: Dataset, fusion: str = "max_confidence", **options: object) -> Answering:
    abilities = Abilities((0, 0, 0), 0.1, makes_masks=False)
    plan = plan_for(Options(branches=VIEWS, **options), dataset, Limits(), abilities)
    return Answering(dataset, replace(plan, fusion=fusion), SCALE)


def reference(dataset: Dataset, views: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Each view's probabilities in double precision."""
    cosines = {name: dataset.prototypes.astype(np.float64) @ row.astype(np.float64) for name, row in views.items()}
    powers = {name: np.exp(SCALE * (row - row.max())) for name, row in cosines.items()}
    return {name: row / row.sum() for name, row in powers.items()}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 9999), st.sampled_from([1, 5, 400]))
def test_answers_among_many_classes_are_those_of_double_precision(seed: int, k: int) -> None:
    dataset, _, views = case(seed)
    verdict, _ = answering(dataset, top_k=k).answer(views, 0.5)
    exact = reference(dataset, views)
    for name, row in exact.items():
        branch = verdict.branches[name]
        assert branch is not None
        confidences = [score.confidence for score in branch.scores]
        assert confidences == pytest.approx(np.sort(row)[::-1][:k], rel=2e-5)
        assert [row[LABELS.index(score.label)] for score in branch.scores] == pytest.approx(confidences, rel=2e-5)
    surest = max(exact, key=lambda name: exact[name].max())
    assert verdict.branch == surest
    assert verdict.label == LABELS[exact[surest].argmax()]
    place = exact[surest].argmax()
    cosines = [dataset.prototypes[place].astype(np.float64) @ row for row in views.values()]
    assert verdict.presence == pytest.approx(0.5 * max(np.mean(cosines), 0), rel=1e-5)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 9999))
def test_the_mean_of_views_among_many_classes_is_that_of_double_precision(seed: int) -> None:
    dataset, _, views = case(seed)
    verdict, _ = answering(dataset, "average").answer(views, 0.5)
    mean = np.mean(list(reference(dataset, views).values()), axis=0)
    assert [score.confidence for score in verdict.scores] == pytest.approx(np.sort(mean)[::-1][:5], rel=2e-5)


@pytest.mark.parametrize("fusion", [name for name, row in FUSIONS.items() if row.needs is None])
def test_all_views_and_what_metadata_did_take_one_product(fusion: str) -> None:
    dataset, compare, views = case(1)
    _, effect = answering(dataset, fusion, metadata={"month": "may"}).answer(views, 0.5)
    assert effect is not None
    assert effect.used == {"month": "may"}
    assert compare.products == 1


def test_candidates_are_compared_with_their_own_classes_alone() -> None:
    dataset, compare, views = case(2)
    among = answering(dataset)
    every, chosen = among.evidence(views, None).logits, among.logits_of(views, [7, 2999, 0])
    assert compare.products == 1
    assert list(chosen) == list(VIEWS)
    assert np.stack(list(chosen.values())) == pytest.approx(every[:, [7, 2999, 0]], abs=1e-4)


@pytest.mark.parametrize(
    ("options", "exact"),
    [
        ({"top_k": 7}, 7),
        ({"top_k": 1, "candidates": 3}, 3),
        ({"top_k": 7, "metadata": {"month": "may"}}, CLASSES),
        ({"top_k": 7, "metadata": {"site": "unknown"}}, 7),
    ],
)
def test_as_many_classes_are_compared_exactly_as_may_be_shown(options: dict[str, object], exact: int) -> None:
    dataset, compare, views = case(1)
    answering(dataset, **options).answer(views, 0.5)
    assert compare.exact == exact


def test_a_calibration_by_class_may_show_any_class() -> None:
    dataset, compare, views = case(1)
    calibration = Calibration(temperatures={"fg": tuple(float(1 + place % 3) for place in range(CLASSES))})
    answering(replace(dataset, spec=replace(SPEC, calibration=calibration))).answer(views, 0.5)
    assert compare.exact == CLASSES
