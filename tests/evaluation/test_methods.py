"""Every method over kept looks, against numpy on the same numbers."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.datasets.records import Dataset
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import InvalidFields
from service.evaluation.labelled import Labelled
from service.evaluation.looks import Looks
from service.evaluation.methods import chosen_fusions, evaluate, right_answers
from service.evaluation.results import Answers, Evaluation
from service.recognition.calibration import Calibration
from service.recognition.fusion import FUSIONS
from service.recognition.priors import Prior

LABELS = ("cat", "dog", "owl", "fox")
SCALE = 12.0
VIEWS = ("full", "fg", "fg_mask")
FITTED = Calibration(
    ("full", "fg"),
    temperatures={"full": (2.0,), "fg": (0.5,)},
    weights={"full": 0.25, "fg": 0.75},
    class_weights={"full": (1.0, 0.5, 2.0, 1.0), "fg": (0.2, 1.5, 1.0, 0.3)},
)


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    scaled: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)
    return scaled


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def dataset_of(seed: int = 0, **fields: object) -> Dataset:
    rng = np.random.default_rng(seed)
    spec = DatasetSpec(tuple(ClassEntry(label) for label in LABELS), **fields)
    return Dataset("version", spec, LABELS, unit(rng.normal(size=(4, 6))))


def seen(count: int = 12, seed: int = 1) -> list[Looks]:
    """Of every fourth picture only the full view, of every fourth other no mask."""
    rng, found = np.random.default_rng(seed), []
    for number in range(count):
        views = VIEWS[: {0: 1, 1: 2}.get(number % 4, 3)]
        vectors = {view: unit(rng.normal(size=6)) for view in views}
        alone = len(views) == 1
        found.append(Looks(vectors, "no_detection" if alone else None, 0.0 if alone else float(rng.random())))
    return found


def pictures_of(count: int = 12, **fields: object) -> list[Labelled]:
    return [Labelled(Path(f"{number}.jpg"), LABELS[number % 4], **fields) for number in range(count)]


def measured(
    dataset: Dataset, looks: list[Looks], applied: dict[tuple[str, ...], list[str]], **more: object
) -> Evaluation:
    fusions = {names: [FUSIONS[name] for name in chosen] for names, chosen in applied.items()}
    pictures = more.pop("pictures", None) or pictures_of(len(looks))
    return evaluate(pictures, looks, dataset, SCALE, VIEWS, fusions, {}, **more)


def answers_of(evaluation: Evaluation, method: str) -> Answers:
    [found] = [answers for answers in evaluation.answers if answers.method == method]
    return found


def rows_of(dataset: Dataset, looks: Looks, names: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    """Logits of those of the views that could be shown, of the full one where none could."""
    shown = [name for name in names if name in looks.embeddings] or ["full"]
    return {name: SCALE * (dataset.prototypes @ looks.embeddings[name]).astype(np.float64) for name in shown}


def agrees(answers: Answers, expected: list[NDArray[np.float64]]) -> bool:
    assert answers.predicted.tolist() == [int(row.argmax()) for row in expected]
    return answers.confidence == pytest.approx([row.max() for row in expected], abs=1e-5)


def test_a_branch_alone_is_the_softmax_of_its_logits_and_the_full_picture_stands_in() -> None:
    dataset, looks = dataset_of(), seen()
    evaluation = measured(dataset, looks, {VIEWS: ["average"]})
    assert [answers.method for answers in evaluation.answers] == [*VIEWS, "average", "oracle"]
    assert [answers.kind for answers in evaluation.answers] == ["branch"] * 3 + ["fusion", "oracle"]
    for view in VIEWS:
        rows = [rows_of(dataset, look, VIEWS) for look in looks]
        assert agrees(answers_of(evaluation, view), [softmax(row.get(view, row["full"])) for row in rows])
    assert evaluation.fallbacks == tuple("no_detection" if number % 4 == 0 else None for number in range(12))


@pytest.mark.parametrize("names", [VIEWS, ("full", "fg"), ("fg", "fg_mask"), ("fg_mask",)])
def test_fusions_are_of_the_views_that_they_are_given(names: tuple[str, ...]) -> None:
    dataset, looks = dataset_of(), seen()
    evaluation = measured(dataset, looks, {names: ["max_confidence", "average", "scaled_average"]})
    each = [rows_of(dataset, look, names) for look in looks]
    stacked = [softmax(np.stack(list(rows.values()))) for rows in each]
    assert agrees(answers_of(evaluation, "max_confidence"), [rows[rows.max(axis=1).argmax()] for rows in stacked])
    assert agrees(answers_of(evaluation, "average"), [rows.mean(axis=0) for rows in stacked])
    means = [softmax(np.mean(list(rows.values()), axis=0)) for rows in each]
    assert agrees(answers_of(evaluation, "scaled_average"), means)


def test_several_combinations_stand_side_by_side_and_the_first_is_the_usual_one() -> None:
    dataset, looks = dataset_of(), seen()
    both = {("full", "fg"): ["average"], VIEWS: ["average", "robust"]}
    evaluation = measured(dataset, looks, both)
    methods = [answers.method for answers in evaluation.answers]
    assert methods == [*VIEWS, "average", "average full+fg+fg_mask", "robust full+fg+fg_mask", "oracle"]
    alone = measured(dataset, looks, {VIEWS: ["average"]})
    found = answers_of(evaluation, "average full+fg+fg_mask")
    assert found.confidence.tolist() == answers_of(alone, "average").confidence.tolist()
    assert evaluation.default == "average"


def test_a_calibrated_dataset_answers_with_what_was_learnt() -> None:
    dataset = dataset_of(calibration=FITTED, branches=("full", "fg"), fusion="class_weighted_logits")
    looks, names = seen(), ("full", "fg")
    applied = [fusion.name for fusion in chosen_fusions(None, dataset, names)]
    assert "class_weighted_logits" in applied
    assert "concat_fc" not in applied
    evaluation = measured(dataset, looks, {names: applied})
    assert evaluation.default == "class_weighted_logits"

    def expected(rows: dict[str, NDArray[np.float64]], kind: str) -> NDArray[np.float64]:
        scaled = {name: row / FITTED.temperatures[name][0] for name, row in rows.items()}
        if len(rows) == 1:
            return softmax(next(iter(scaled.values())))
        if kind == "scaled_weighted_average":
            return softmax(sum(FITTED.weights[name] * row for name, row in scaled.items()))
        weighted = [np.array(FITTED.class_weights[name]) * (row - row.mean()) for name, row in rows.items()]
        return softmax(np.sum(weighted, axis=0))

    each = [rows_of(dataset, look, names) for look in looks]
    for kind in ("scaled_weighted_average", "class_weighted_logits"):
        assert agrees(answers_of(evaluation, kind), [expected(rows, kind) for rows in each])
    # Not fitted to three views: it cannot be asked of them.
    with pytest.raises(InvalidFields, match="'class_weighted_logits' cannot be used here"):
        chosen_fusions(["class_weighted_logits"], dataset, VIEWS)


def test_where_the_dataset_s_fusion_does_not_stand_for_its_answers_that_is_said() -> None:
    dataset = dataset_of(calibration=FITTED, branches=("full", "fg"), fusion="class_weighted_logits")
    evaluation = measured(dataset, seen(), {VIEWS: ["average", "robust"]})
    assert evaluation.default == "average"
    assert evaluation.about["default fusion"] == (
        "average instead of the dataset's class_weighted_logits, which is not fitted to full, fg, fg_mask"
    )
    fitted = measured(dataset, seen(), {("full", "fg"): ["average", "robust"]})
    assert fitted.about["default fusion"] == (
        "average instead of the dataset's class_weighted_logits, which was not asked for"
    )
    own = measured(dataset, seen(), {("full", "fg"): ["average", "class_weighted_logits"]})
    assert "default fusion" not in own.about


def test_a_picture_s_metadata_weigh_its_own_answers() -> None:
    priors = {"place": Prior("probabilities", {"barn": {"owl": 0.85, "cat": 0.05, "dog": 0.05, "fox": 0.05}})}
    dataset, looks = dataset_of(priors=priors), seen()
    places = [{"place": "barn"} if number % 2 else {"place": "moon"} for number in range(12)]
    pictures = [Labelled(Path("a.jpg"), "owl", metadata=place) for place in places]
    evaluation = measured(dataset, looks, {VIEWS: ["average"]}, pictures=pictures)
    weights = np.array([0.05, 0.05, 0.85, 0.05])
    expected = []
    for look, place in zip(looks, places, strict=True):
        row = softmax(rows_of(dataset, look, VIEWS)["full"]) * (weights if place["place"] == "barn" else 1.0)
        expected.append(row / row.sum())
    assert agrees(answers_of(evaluation, "full"), expected)


def test_the_oracle_is_right_wherever_a_branch_is_and_else_says_what_the_first_says() -> None:
    dataset, looks = dataset_of(), seen(40)
    evaluation = measured(dataset, looks, {("full", "fg"): ["average"]}, pictures=pictures_of(40))
    branches = [answers_of(evaluation, view) for view in ("full", "fg")]
    oracle = answers_of(evaluation, "oracle")
    right = np.stack([evaluation.correct(answers) for answers in branches])
    assert evaluation.correct(oracle).tolist() == right.any(axis=0).tolist()
    wrong = ~right.any(axis=0)
    assert 0 < wrong.sum() < 40
    assert oracle.predicted[wrong].tolist() == branches[0].predicted[wrong].tolist()
    # fg_mask is not among the fused ones: that it is right helps the oracle nowhere.
    assert (evaluation.correct(answers_of(evaluation, "fg_mask")) & wrong).any()


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_no_choice_between_branches_is_right_more_often_than_the_oracle(seed: int) -> None:
    dataset, looks = dataset_of(seed), seen(12, seed)
    evaluation = measured(
        dataset, looks, {VIEWS: ["max_confidence", "objectness_max_confidence", "threshold", "robust"]}
    )
    oracle = evaluation.correct(answers_of(evaluation, "oracle"))
    for answers in evaluation.answers:
        assert not (evaluation.correct(answers) & ~oracle).any(), answers.method


def test_a_cascade_stops_where_its_first_view_is_sure() -> None:
    dataset, looks = dataset_of(), seen()
    evaluation = measured(dataset, looks, {VIEWS: ["average"]}, cascades=[0.5, 0.0])
    average = answers_of(evaluation, "average")
    named = {answers.method.partition(" (")[0]: answers for answers in evaluation.answers}
    for first in ("full", "fg"):
        rows = [rows_of(dataset, look, VIEWS).get(first) for look in looks]
        sure = [row is not None and softmax(row).max() >= 0.5 for row in rows]
        assert 0 < sum(sure) < 12
        expected = [
            int(row.argmax()) if stops and row is not None else int(other)
            for row, stops, other in zip(rows, sure, average.predicted, strict=True)
        ]
        cascade = named[f"cascade {first} 0.5"]
        assert cascade.predicted.tolist() == expected
        assert cascade.method == f"cascade {first} 0.5 (stops {sum(sure) / 12:.0%})"
    assert named["cascade full 0"].predicted.tolist() == answers_of(evaluation, "full").predicted.tolist()
    assert named["cascade fg 0"].method.endswith("(stops 75%)")


def test_a_cascade_is_as_sure_as_the_fusion_makes_its_first_view() -> None:
    calibration = Calibration(("full", "fg"), temperatures={"full": (100.0,)})
    dataset, looks = dataset_of(calibration=calibration, fusion="scaled_average"), seen()
    evaluation = measured(dataset, looks, {("full", "fg"): ["scaled_average"]}, cascades=[0.5])
    assert "cascade full 0.5 (stops 0%)" in [answers.method for answers in evaluation.answers]


def test_presence_is_the_mean_cosine_with_the_answer_times_the_box_s_score() -> None:
    dataset, looks = dataset_of(), seen()
    evaluation = measured(dataset, looks, {("full", "fg"): ["average"]})
    predicted = answers_of(evaluation, "average").predicted
    expected = []
    for look, place in zip(looks, predicted, strict=True):
        shown = [name for name in ("full", "fg") if name in look.embeddings]
        cosine = np.mean([look.embeddings[name] @ dataset.prototypes[place] for name in shown])
        assert look.box_score is not None
        expected.append(max(cosine, 0) * max(look.box_score, 0.05))
    assert evaluation.presence == pytest.approx(expected, abs=1e-6)
    boxless = measured(dataset, looks, {("full",): ["average"]})
    places = answers_of(boxless, "average").predicted
    cosines = [look.embeddings["full"] @ dataset.prototypes[at] for look, at in zip(looks, places, strict=True)]
    assert boxless.presence == pytest.approx(np.maximum(cosines, 0), abs=1e-6)


def test_all_accepted_labels_are_right_and_no_label_makes_nothing_right() -> None:
    pictures = [
        Labelled(Path("a"), "cat", accepted=frozenset({"fox", "tabby"})),
        Labelled(Path("b"), "dog"),
        Labelled(Path("c"), ""),
    ]
    assert right_answers(pictures, LABELS).tolist() == [
        [True, False, False, True],
        [False, True, False, False],
        [False] * 4,
    ]


def test_labels_that_are_no_classes_are_named() -> None:
    pictures = [Labelled(Path("a"), label) for label in ("cat", "wolf", "emu", "wolf")]
    with pytest.raises(InvalidFields, match="'emu', 'wolf' of the pictures' labels") as caught:
        right_answers(pictures, LABELS)
    assert caught.value.problems[0].allowed == LABELS


def test_fusions_are_chosen_by_name_and_unknown_ones_refused_with_those_that_apply() -> None:
    dataset = dataset_of()
    usable = [name for name, fusion in FUSIONS.items() if fusion.needs is None]
    assert [fusion.name for fusion in chosen_fusions(None, dataset, VIEWS)] == usable
    assert [fusion.name for fusion in chosen_fusions(["robust", "average"], dataset, VIEWS)] == ["robust", "average"]
    for name in ("mean", "concat_fc"):
        with pytest.raises(InvalidFields, match=f"'{name}' cannot be used here") as caught:
            chosen_fusions(["average", name], dataset, VIEWS)
        assert caught.value.problems[0].allowed == tuple(usable)
