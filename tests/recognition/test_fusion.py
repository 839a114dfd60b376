"""Every fusion against its formula in the paper, written out in plain loops, and the laws that hold for any logits."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from service.recognition.answers import Recognition, Verdict, best_scores, branch_of
from service.recognition.calibration import NEUTRAL, Calibration, Network
from service.recognition.fusion import FUSIONS, UNSCALED, WITHOUT_BOX, Evidence, applicable
from service.recognition.views import VIEWS

NAMES = ("full", "fg")
AVERAGES = ("average", "scaled_average", "scaled_weighted_average", "class_weighted_logits", "concat_fc")
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=20)  # for each of the fusions


def evidence_of(seed: int, classes: int = 5, names: Sequence[str] = NAMES, with_prior: bool = False) -> Evidence:
    drawn = np.random.default_rng(seed)
    logits = drawn.normal(20, 3, (len(names), classes)).astype(np.float32)
    prior = drawn.normal(0, 1, classes).astype(np.float32) if with_prior else None
    return Evidence(tuple(names), logits, float(drawn.random()), prior)


def calibration_of(seed: int, classes: int = 5, names: Sequence[str] = NAMES) -> Calibration:
    drawn = np.random.default_rng(seed + 1)
    weights = drawn.dirichlet(np.ones(len(names)))
    network = Network(
        tuple(map(tuple, drawn.normal(0, 1, (3, classes)).tolist())),
        tuple(drawn.normal(0, 1, classes).tolist()),
        tuple(map(tuple, drawn.normal(0, 0.3, (len(names) * classes, 3)).tolist())),
        tuple(drawn.normal(0, 1, 3).tolist()),
    )
    return Calibration(
        tuple(names),
        {name: (float(drawn.uniform(0.5, 3)),) for name in names},
        float(drawn.uniform(0.2, 0.9)),
        dict(zip(names, weights.tolist(), strict=True)),
        {name: tuple(drawn.uniform(0.2, 2, classes).tolist()) for name in names},
        network,
    )


def plain_softmax(logits: Sequence[float]) -> list[float]:
    powers = [math.exp(logit - max(logits)) for logit in logits]
    return [power / sum(powers) for power in powers]


def plain_centred(logits: Sequence[float]) -> list[float]:
    return [logit - sum(logits) / len(logits) for logit in logits]


class Plain:
    """The formulas of section 3.3 and B.3 for branches full and fg, on lists of Python's floats."""

    def __init__(self, evidence: Evidence, calibration: Calibration) -> None:
        self.full, self.fg = (row.astype(np.float64).tolist() for row in evidence.logits)
        prior = evidence.log_prior
        self.prior = [0.0] * len(self.full) if prior is None else prior.astype(np.float64).tolist()
        self.parameters, self.score = calibration, evidence.box_score
        self.t_full, self.t_fg = (calibration.temperatures[name][0] for name in NAMES)

    def probabilities(self, logits: Sequence[float], temperature: float = 1.0) -> list[float]:
        return plain_softmax([z / temperature + prior for z, prior in zip(logits, self.prior, strict=True)])

    def mean(self, weight_of_full: float) -> list[float]:
        pairs = zip(self.full, self.fg, strict=True)
        return [weight_of_full * a / self.t_full + (1 - weight_of_full) * b / self.t_fg for a, b in pairs]

    def surer(self, weight_of_fg: float = 1.0, scaled: bool = False) -> list[float]:
        full = self.probabilities(self.full, self.t_full if scaled else 1.0)
        fg = self.probabilities(self.fg, self.t_fg if scaled else 1.0)
        assume(abs(max(full) - weight_of_fg * max(fg)) > 1e-4)
        return full if max(full) > weight_of_fg * max(fg) else fg

    def above_threshold(self, otherwise: list[float]) -> list[float]:
        fg = self.probabilities(self.fg)
        assume(abs(max(fg) - self.parameters.threshold) > 1e-4)
        return fg if max(fg) > self.parameters.threshold else otherwise

    def class_weighted(self) -> list[float]:
        full, fg = plain_centred(self.full), plain_centred(self.fg)
        weights = self.parameters.class_weights
        return self.probabilities([weights["full"][k] * full[k] + weights["fg"][k] * fg[k] for k in range(len(full))])

    def network(self) -> list[float]:
        inputs, network = plain_centred(self.full) + plain_centred(self.fg), self.parameters.network
        hidden = []
        for unit, bias in enumerate(network.hidden_bias):
            hidden.append(
                max(0.0, bias + sum(x * row[unit] for x, row in zip(inputs, network.hidden_weights, strict=True)))
            )
        return self.probabilities(
            [
                bias + sum(h * row[k] for h, row in zip(hidden, network.weights, strict=True))
                for k, bias in enumerate(network.bias)
            ]
        )

    def answer(self, fusion: str) -> list[float]:
        full, fg = self.probabilities(self.full), self.probabilities(self.fg)
        formulas = {
            "max_confidence": lambda: self.surer(),
            "max_scaled_confidence": lambda: self.surer(scaled=True),
            "objectness_max_confidence": lambda: self.surer(self.score),
            "threshold": lambda: self.above_threshold(self.surer()),
            "robust": lambda: self.above_threshold(full),
            "average": lambda: [(a + b) / 2 for a, b in zip(full, fg, strict=True)],
            "scaled_average": lambda: self.probabilities(self.mean(0.5)),
            "scaled_weighted_average": lambda: self.probabilities(self.mean(self.parameters.weights["full"])),
            "class_weighted_logits": self.class_weighted,
            "concat_fc": self.network,
        }
        return formulas[fusion]()


@pytest.mark.parametrize("name", FUSIONS)
@few
@given(seed=seeds, with_prior=st.booleans())
def test_a_fusion_agrees_with_its_formula(name: str, seed: int, with_prior: bool) -> None:
    evidence, calibration = evidence_of(seed, with_prior=with_prior), calibration_of(seed)
    expected = Plain(evidence, calibration).answer(name)
    assert FUSIONS[name](evidence, calibration).probabilities == pytest.approx(np.array(expected), abs=1e-4)


@pytest.mark.parametrize("name", FUSIONS)
@few
@given(seed=seeds)
def test_permuting_the_classes_permutes_the_answer(name: str, seed: int) -> None:
    evidence, calibration = evidence_of(seed), calibration_of(seed)
    order = np.random.default_rng(seed).permutation(5)
    inputs = np.concatenate([order, 5 + order])
    network = Network(
        tuple(tuple(row[k] for k in order) for row in calibration.network.weights),
        tuple(calibration.network.bias[k] for k in order),
        tuple(calibration.network.hidden_weights[k] for k in inputs),
        calibration.network.hidden_bias,
    )
    rows = {name: tuple(row[k] for k in order) for name, row in calibration.class_weights.items()}
    shuffled = Calibration(NAMES, calibration.temperatures, calibration.threshold, calibration.weights, rows, network)
    plain = FUSIONS[name](evidence, calibration)
    other = FUSIONS[name](Evidence(NAMES, evidence.logits[:, order], evidence.box_score), shuffled)
    assert other.probabilities == pytest.approx(plain.probabilities[order], abs=1e-4)
    assert other.branch == plain.branch


@pytest.mark.parametrize("name", AVERAGES)
@few
@given(seed=seeds)
def test_the_order_of_the_branches_changes_no_average(name: str, seed: int) -> None:
    evidence, calibration = evidence_of(seed), calibration_of(seed)
    turned = Evidence(NAMES[::-1], evidence.logits[::-1], evidence.box_score)
    plain, other = FUSIONS[name](evidence, calibration), FUSIONS[name](turned, calibration)
    assert other.probabilities == pytest.approx(plain.probabilities, abs=1e-5)


@pytest.mark.parametrize("name", FUSIONS)
@few
@given(seed=seeds, shift=st.floats(-50, 50))
def test_a_number_added_to_all_logits_of_a_branch_changes_nothing(name: str, seed: int, shift: float) -> None:
    evidence, calibration = evidence_of(seed), calibration_of(seed)
    shifted = Evidence(NAMES, evidence.logits + np.array([[shift], [0]], np.float32), evidence.box_score)
    plain, other = FUSIONS[name](evidence, calibration), FUSIONS[name](shifted, calibration)
    assume(other.branch == plain.branch)  # rounding may turn a tie
    assert other.probabilities == pytest.approx(plain.probabilities, abs=1e-3)


@pytest.mark.parametrize("name", FUSIONS)
@few
@given(seed=seeds, classes=st.integers(1, 6), with_prior=st.booleans())
def test_one_branch_alone_is_itself(name: str, seed: int, classes: int, with_prior: bool) -> None:
    evidence = evidence_of(seed, classes, ("full",), with_prior)
    calibration = calibration_of(seed, classes, ("full",))
    fused = FUSIONS[name](evidence, calibration)
    neutral = NEUTRAL if name in UNSCALED else calibration
    assert fused.branch == "full"
    assert np.array_equal(fused.probabilities, evidence.probabilities(neutral)["full"])


@pytest.mark.parametrize("name", FUSIONS)
@few
@given(seed=seeds, count=st.integers(2, 4))
def test_any_number_of_branches_gives_probabilities_of_a_branch_that_is_there(name: str, seed: int, count: int) -> None:
    names = ("full", "fg", "fg_mask", "center_crop")[:count]
    fused = FUSIONS[name](evidence_of(seed, 5, names), calibration_of(seed, 5, names))
    assert fused.branch in names
    assert fused.branch in fused.reason
    assert (fused.probabilities >= 0).all()
    assert fused.probabilities.sum() == pytest.approx(1, abs=1e-5)


@given(seed=seeds)
def test_scaled_confidence_with_temperatures_of_one_is_plain_confidence(seed: int) -> None:
    evidence, ones = evidence_of(seed), Calibration(temperatures={"full": (1.0,), "fg": (1.0,)})
    plain, scaled = FUSIONS["max_confidence"](evidence), FUSIONS["max_scaled_confidence"](evidence, ones)
    assert scaled.branch == plain.branch
    assert np.array_equal(scaled.probabilities, plain.probabilities)


@pytest.mark.parametrize("alone", NAMES)
@few
@given(seed=seeds)
def test_a_weight_of_one_leaves_that_branch_alone(alone: str, seed: int) -> None:
    evidence, whole = evidence_of(seed), calibration_of(seed)
    calibration = Calibration(NAMES, whole.temperatures, weights={name: float(name == alone) for name in NAMES})
    fused = FUSIONS["scaled_weighted_average"](evidence, calibration)
    assert fused.probabilities == pytest.approx(evidence.probabilities(calibration)[alone], abs=1e-6)


@given(seed=seeds)
def test_of_branches_without_weights_the_weighted_average_is_the_plain_one(seed: int) -> None:
    evidence = evidence_of(seed)
    expected = FUSIONS["scaled_average"](evidence).probabilities
    elsewhere = Calibration(("bg_box", "fg_mask"), weights={"bg_box": 0.2, "fg_mask": 0.8})
    for calibration in (NEUTRAL, elsewhere):
        fused = FUSIONS["scaled_weighted_average"](evidence, calibration)
        assert fused.probabilities == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ["class_weighted_logits", "concat_fc"])
@few
@given(seed=seeds)
def test_a_learnt_fusion_without_what_it_learnt_is_the_scaled_average(name: str, seed: int) -> None:
    evidence, calibration = evidence_of(seed), calibration_of(seed, names=("full", "fg", "fg_mask"))
    unlearnt = Calibration(NAMES, calibration.temperatures)
    for parameters in (unlearnt, calibration):  # never learnt, or learnt with a branch that is missing here
        expected = FUSIONS["scaled_average"](evidence, parameters).probabilities
        assert np.array_equal(FUSIONS[name](evidence, parameters).probabilities, expected)


@pytest.mark.parametrize("name", ["class_weighted_logits", "concat_fc"])
@few
@given(seed=seeds)
def test_a_learnt_fusion_leaves_out_branches_that_it_does_not_know(name: str, seed: int) -> None:
    more, calibration = evidence_of(seed, names=("center_crop", "fg", "full")), calibration_of(seed)
    known = Evidence(NAMES, more.logits[[2, 1]])
    expected = FUSIONS[name](known, calibration).probabilities
    assert FUSIONS[name](more, calibration).probabilities == pytest.approx(expected, abs=1e-6)


def test_of_equally_sure_branches_the_full_picture_answers() -> None:
    same = Evidence(NAMES, np.zeros((2, 3), np.float32))
    for name in ("max_confidence", "max_scaled_confidence", "objectness_max_confidence"):
        assert FUSIONS[name](same).branch == "full"


def test_a_box_of_low_score_lowers_only_the_views_made_with_it() -> None:
    logits = np.array([[1, 0], [3, 0]], np.float32)
    fusion = FUSIONS["objectness_max_confidence"]
    assert fusion(Evidence(NAMES, logits, 0.1)).branch == "full"
    assert fusion(Evidence(NAMES, logits, None)).branch == "fg"
    assert fusion(Evidence(("full", "center_crop"), logits, 0.1)).branch == "center_crop"
    assert {name for name, view in VIEWS.items() if not view.needs_box} == WITHOUT_BOX


@pytest.mark.parametrize(
    ("names", "trusted"),
    [
        (("full", "fg_margin", "fg_mask"), "fg_mask"),
        (("full", "fg_margin"), "fg_margin"),
        (("full", "fg", "fg_mask"), "fg"),
        (("full", "center_crop"), "center_crop"),
    ],
)
def test_the_object_is_trusted_before_its_surroundings(names: tuple[str, ...], trusted: str) -> None:
    logits = np.zeros((len(names), 3), np.float32)
    logits[:, 1] = 5
    logits[names.index(trusted), 1] = 2  # above 0.5, but not the surest
    assert FUSIONS["robust"](Evidence(names, logits)).branch == trusted
    assert FUSIONS["threshold"](Evidence(names, logits)).branch == trusted
    assert FUSIONS["robust"](Evidence(names, logits), Calibration(threshold=0.95)).branch == "full" != trusted


def test_robust_does_not_fall_back_on_the_crop_it_does_not_trust() -> None:
    logits = np.array([[0.1, 0], [1, 0]], np.float32)  # the crop is surer, yet below the threshold
    calibration = Calibration(threshold=0.9)
    assert FUSIONS["robust"](Evidence(NAMES, logits), calibration).branch == "full"
    assert FUSIONS["threshold"](Evidence(NAMES, logits), calibration).branch == "fg"


def test_robust_is_described_as_what_it_does() -> None:
    evidence = Evidence(("full", "fg", "fg_mask"), np.array([[1, 0, 0], [0, 0, 0], [0, 3, 0]], np.float32), None)
    assert FUSIONS["robust"](evidence).branch == "fg_mask"  # surer than the full picture
    assert FUSIONS["robust"].summary == "the crop if it is surer than a threshold, else the most confident other view"


@given(seed=seeds)
def test_the_average_lies_between_the_branches_and_names_the_one_surest_of_its_label(seed: int) -> None:
    evidence = evidence_of(seed)
    fused, branches = FUSIONS["average"](evidence), evidence.probabilities()
    stacked = np.stack(list(branches.values()))
    assert (fused.probabilities >= stacked.min(axis=0) - 1e-6).all()
    assert (fused.probabilities <= stacked.max(axis=0) + 1e-6).all()
    label = int(fused.probabilities.argmax())
    assert branches[fused.branch][label] == stacked[:, label].max()


def test_every_fusion_is_named_as_in_the_table_and_needs_a_field_of_the_calibration() -> None:
    for name, fusion in FUSIONS.items():
        assert fusion.name == name
        assert fusion.needs is None or hasattr(NEUTRAL, fusion.needs)


@pytest.mark.parametrize("shape", [(1, 3), (3, 3), (2,)])
def test_evidence_has_a_row_of_logits_for_every_name(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="2 names for logits"):
        Evidence(NAMES, np.zeros(shape, np.float32))


def test_evidence_is_of_at_least_one_branch() -> None:
    with pytest.raises(ValueError, match="0 names"):
        Evidence((), np.zeros((0, 3), np.float32))


def test_scores_are_named_and_best_first() -> None:
    scores = best_scores(np.array([0.2, 0.5, 0.3], np.float32), ("a", "b", "c"), 2)
    assert [score.label for score in scores] == ["b", "c"]
    assert branch_of(scores).label == "b"
    assert branch_of(scores).confidence == pytest.approx(0.5)


def test_a_fusion_that_was_not_fitted_to_the_branches_is_not_applied() -> None:
    weights = {"full": (1.0, 1.0), "fg": (1.0, 1.0)}
    fitted = Calibration(branches=("full", "fg"), class_weights=weights)
    learnt, plain = FUSIONS["class_weighted_logits"], FUSIONS["max_confidence"]
    assert applicable("class_weighted_logits", ("full", "fg"), fitted) is learnt
    assert applicable("class_weighted_logits", ("full", "fg_mask"), fitted) is plain
    assert applicable("class_weighted_logits", ("full", "fg"), Calibration()) is plain
    assert applicable("class_weighted_logits", ("full",), Calibration()) is learnt  # one view alone is itself
    assert applicable("average", ("full", "fg_mask"), fitted) is FUSIONS["average"]


def test_an_answer_s_label_is_its_verdict_s() -> None:
    verdict = Verdict("cat", 0.9, "full", "average", "", 0.2, False, (), {})
    assert Recognition(verdict, None, (), 4, 3, {}).label == "cat"


@pytest.mark.parametrize(
    ("logits", "told"),
    [
        ([[3.0, 0], [1, 0]], "full is surer: 0.9526 against 0.7311 of fg"),
        ([[9.0, 0], [8.9, 0]], "full is surer: 0.99988 against 0.99986 of fg"),
        ([[3.0, 0], [3, 0]], "full is surer: 0.9526 against 0.9526 of fg"),
    ],
)
def test_a_reason_has_as_many_digits_as_tell_the_branches_apart(logits: list[list[float]], told: str) -> None:
    evidence = Evidence(("full", "fg"), np.array(logits, np.float32), None)
    assert FUSIONS["max_confidence"](evidence).reason == told
