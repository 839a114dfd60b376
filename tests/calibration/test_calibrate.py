"""From samples to a report: what improves, what is measured, what is refused, and that it is always the same."""

from dataclasses import asdict

import numpy as np
import pytest
from synthetic_samples import halves, labels_of, overconfident, samples_of

from service.calibration import CalibrationReport, FitOptions, MethodReport, Samples, calibrate
from service.calibration.fitting import OFF
from service.calibration.samples import split
from service.errors import InvalidFields
from service.recognition.fusion import FUSIONS
from service.recognition.reliability import expected_calibration_error

LEARNT = ("class_weighted_logits", "concat_fc")


def calibrated(samples: Samples, **options: object) -> CalibrationReport:
    return calibrate(samples, labels_of(samples), FitOptions(**options))


def methods_of(report: CalibrationReport) -> dict[str, MethodReport]:
    return {method.method: method for method in report.methods}


def test_temperatures_recover_how_much_too_sure_the_branches_are() -> None:
    report = calibrated(overconfident(2000, factors=(3.0, 2.0)), learn=False, validation_share=0.1)
    temperatures = report.calibration.temperatures
    assert temperatures["full"][0] / temperatures["fg"][0] == pytest.approx(1.5, rel=0.05)
    assert temperatures["full"] == pytest.approx((3.0,), rel=0.1)


@pytest.mark.parametrize("kind", ["branch", "class"])
def test_overconfident_branches_have_a_smaller_error_on_pictures_held_out(kind: str) -> None:
    report = calibrated(overconfident(600), temperatures=kind, learn=False)
    methods = methods_of(report)
    for name in ("full", "fg", "max_scaled_confidence"):
        assert methods[name].ece_after < methods[name].ece_before / 2
    lengths = {len(row) for row in report.calibration.temperatures.values()}
    assert lengths == {1 if kind == "branch" else 4}


def test_one_temperature_leaves_the_answers_of_a_branch() -> None:
    for name, method in methods_of(calibrated(overconfident(200, seed=3), learn=False)).items():
        if name in ("full", "fg"):
            assert method.accuracy_after == method.accuracy_before


def test_learnt_fusions_beat_the_best_branch_where_each_knows_half_of_the_classes() -> None:
    report = calibrated(halves(800), fusion="best")
    methods = methods_of(report)
    best_branch = max(methods["full"].accuracy_after, methods["fg"].accuracy_after)
    for name in LEARNT:
        assert methods[name].accuracy_after > best_branch + 0.1
    assert report.fusion in FUSIONS
    most = max(methods[name].accuracy_after for name in FUSIONS)
    assert methods[report.fusion].accuracy_after == most
    assert not report.refused


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    samples = halves(200)
    first, again, other = (calibrated(samples, seed=seed, temperatures="class") for seed in (1, 1, 2))
    assert asdict(first) == asdict(again)
    assert first.calibration != other.calibration
    assert (first.seed, other.seed) == (1, 2)


@pytest.mark.parametrize("kind", ["branch", "class"])
def test_what_is_reported_is_what_the_fusions_answer_on_the_pictures_held_out(kind: str) -> None:
    samples = halves(300)
    samples.present[::7, 1] = False
    samples.logits[::7, 1] = np.nan
    report = calibrated(samples, fusion="scaled_weighted_average", keep_right=0.8, temperatures=kind)
    _, held_out = split(samples.truth, 0.5, 0)
    part = samples.at(held_out)
    assert report.validation_count == len(held_out)
    assert report.fit_count + report.validation_count == 300
    for name, method in methods_of(report).items():
        if name not in FUSIONS:
            continue
        fused = [FUSIONS[name](item, report.calibration).probabilities for item in part.evidence()]
        right = np.array([row.argmax() for row in fused]) == part.truth
        sure = np.array([row.max() for row in fused])
        assert method.accuracy_after == pytest.approx(right.mean())
        assert method.ece_after == pytest.approx(expected_calibration_error(sure, right))
        if name == report.fusion:
            assert report.kept_right == pytest.approx((sure[right] >= report.abstain_below).mean())
            assert report.kept_right >= 0.8
            assert (sure[right] > report.abstain_below).mean() < 0.8


def test_where_a_branch_had_no_view_the_first_that_had_one_stands_in() -> None:
    samples = overconfident(200)
    samples.present[:, 1] = np.arange(200) < 60
    hidden = samples_of(samples.logits[:, [0, 0]], samples.truth)
    hidden.logits[:60, 1] = samples.logits[:60, 1]
    found, expected = (methods_of(calibrated(each, learn=False)) for each in (samples, hidden))
    assert found["fg"].accuracy_before == expected["fg"].accuracy_before
    assert found["fg"].ece_before == expected["fg"].ece_before


def test_pictures_of_none_of_the_classes_tell_how_many_are_answered_all_the_same() -> None:
    known = overconfident(300)
    flat = np.random.default_rng(0).normal(25, 0.2, (40, 2, 4))
    truth = np.concatenate([known.truth, np.full(40, -1)])
    report = calibrated(samples_of(np.concatenate([known.logits, flat]), truth), learn=False)
    assert report.answered_none is not None
    assert report.answered_none < 0.3
    assert report.fit_count + report.validation_count == 300
    without = calibrated(known, learn=False)
    assert without.answered_none is None
    assert without.kept_right >= 0.95


def test_where_no_answer_is_right_nothing_is_withheld() -> None:
    samples = overconfident(60)
    samples.truth[:] = 1 + np.arange(60) % 3
    samples.logits[..., 0] += 100
    report = calibrated(samples, learn=False)
    assert (report.abstain_below, report.kept_right) == (0.0, 1.0)


def test_permuting_the_classes_permutes_what_is_fitted() -> None:
    samples = halves(400)
    order = np.array([3, 1, 5, 0, 4, 2])
    turned = samples_of(samples.logits[:, :, order], np.argsort(order)[samples.truth])
    first, second = (calibrated(each).calibration for each in (samples, turned))
    assert second.threshold == pytest.approx(first.threshold, abs=1e-6)
    for name in samples.names:
        assert second.temperatures[name] == pytest.approx(first.temperatures[name], rel=1e-2)
        assert second.weights[name] == pytest.approx(first.weights[name], abs=0.05)
        rows = np.array([first.class_weights[name], second.class_weights[name]])
        assert rows[1] == pytest.approx(rows[0, order], rel=0.05, abs=0.01)


def test_one_branch_alone_gets_a_temperature_and_nothing_else() -> None:
    report = calibrated(overconfident(100, factors=(3.0,)), fusion="best")
    assert report.calibration.branches == ("full",)
    assert report.calibration.temperatures["full"][0] > 1.5
    assert (report.calibration.threshold, report.calibration.weights) == (None, {})
    assert set(report.refused) == {"threshold", "scaled_weighted_average", *LEARNT}
    assert report.fusion == "max_confidence"  # of equals the default


def test_three_branches_have_weights_of_their_own() -> None:
    report = calibrated(overconfident(100, factors=(3.0, 2.0, 1.0)), learn=False)
    assert set(report.calibration.weights) == {"full", "fg", "fg_mask"}
    assert sum(report.calibration.weights.values()) == pytest.approx(1)


def test_what_cannot_be_fitted_is_left_neutral_and_said() -> None:
    samples = overconfident(80)
    samples.truth[:] = samples.logits[:, 0].argmax(axis=1)
    samples.present[5:, 1] = False
    report = calibrated(samples, temperatures="class")
    assert dict(report.calibration.temperatures) == {"full": (1.0,), "fg": (1.0,)}
    assert "answers are right" in report.refused["temperature of full"]
    assert "needs 10 pictures that the branch saw" in report.refused["temperature of fg"]
    assert "needs 5 pictures of every class" in report.refused["class_weighted_logits"]
    assert "needs 10 pictures of every class" in report.refused["concat_fc"]
    assert not set(LEARNT) & set(methods_of(report))


def test_classes_of_few_pictures_are_said_to_keep_the_temperature_of_the_branch() -> None:
    samples = overconfident(60, classes=4)
    report = calibrated(samples, temperatures="class")
    assert report.refused["class temperatures of fg"].endswith("too few pictures and keep the branch's temperature")
    few = calibrated(overconfident(24, classes=8), temperatures="class")
    assert few.refused["class temperatures of fg"].startswith("needs 10 pictures of a class")
    assert len(few.calibration.temperatures["fg"]) == 1


def test_learnt_fusions_are_left_out_on_request() -> None:
    report = calibrated(halves(300), learn=False)
    assert report.refused == dict.fromkeys(LEARNT, OFF)
    assert report.calibration.network is None
    assert not report.calibration.class_weights
    with pytest.raises(InvalidFields, match="'concat_fc' was not fitted: learnt fusions were not asked for") as refusal:
        calibrated(halves(300), learn=False, fusion="concat_fc")
    assert "concat_fc" not in refusal.value.problems[0].allowed


def test_without_a_wish_the_default_fusion_stays() -> None:
    assert calibrated(overconfident(60), default_fusion="average", learn=False).fusion == "average"
    assert calibrated(overconfident(60), fusion="robust", default_fusion="average", learn=False).fusion == "robust"


def test_single_pictures_of_many_classes_cannot_be_held_out() -> None:
    samples = overconfident(24, classes=24)
    samples.truth[:] = np.arange(24)
    with pytest.raises(InvalidFields, match="could hold back 0"):
        calibrated(samples)


def test_too_little_is_refused() -> None:
    with pytest.raises(InvalidFields, match="needs 20 pictures"):
        calibrated(overconfident(19))


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("seed", -1, None),
        ("validation_share", 0.0, None),
        ("validation_share", 1.0, None),
        ("validation_share", float("nan"), None),
        ("temperatures", "picture", ("branch", "class")),
        ("fusion", "median", (*FUSIONS, "best")),
        ("keep_right", 0.0, None),
        ("keep_right", 1.1, None),
        ("default_fusion", "best", tuple(FUSIONS)),
    ],
)
def test_an_option_that_is_not_allowed_is_named(field: str, value: object, allowed: tuple[str, ...] | None) -> None:
    with pytest.raises(InvalidFields) as refusal:
        FitOptions(**{field: value})
    [problem] = refusal.value.problems
    assert (problem.field, problem.allowed) == (field, allowed)
