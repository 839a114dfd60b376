from pathlib import Path

import numpy as np
import pytest
from made_evaluation import drawn, made

from service.errors import BadRequest
from service.evaluation.labelled import Labelled
from service.evaluation.report.figures import ClassRow, Confusion, Summary
from service.evaluation.report.summary import summarize
from service.evaluation.report.words import sentences
from service.recognition.reliability import expected_calibration_error

LABELS = ("cat", "dog", "owl")


def by_hand() -> Summary:
    """Five pictures in two parts and two of none of the classes."""
    pictures = [
        Labelled(Path("a.jpg"), "cat", "mixed_same"),
        Labelled(Path("b.jpg"), "dog", "mixed_same"),
        Labelled(Path("c.jpg"), "cat", "mixed_rand"),
        Labelled(Path("d.jpg"), "dog", "mixed_rand", frozenset({"owl"})),
        Labelled(Path("e.jpg"), "dog", "mixed_rand"),
        Labelled(Path("f.jpg"), "", "strange"),
        Labelled(Path("g.jpg"), "", "strange"),
    ]
    answers = {
        "full": [("cat", 0.9), ("dog", 0.8), ("dog", 0.7), ("dog", 0.6), ("cat", 0.5), ("cat", 0.4), ("owl", 0.6)],
        "fg": [("cat", 0.9), ("dog", 0.9), ("cat", 0.9), ("owl", 0.9), ("owl", 0.9), ("cat", 0.95), ("owl", 0.1)],
        "max_confidence": [(label, 0.9) for label in ("cat", "dog", "cat", "owl", "owl", "cat")] + [("owl", 0.6)],
        "best_box": [(label, 1.0) for label in ("cat", "dog", "cat", "owl", "dog", "cat", "owl")],
    }
    fallbacks = [None, "no_detection", None, "low_score", None, None, "no_detection"]
    return summarize(made(pictures, LABELS, answers, fallbacks), resamples=200)


def test_each_part_is_measured_by_itself_and_all_together() -> None:
    summary = by_hand()
    assert [part.name for part in summary.parts] == ["mixed_same", "mixed_rand", "strange"]
    same, random, strange = summary.parts
    assert (same.n, same.none, same.classes, same.fallback) == (2, 0, 2, 0.5)
    assert (strange.n, strange.none, strange.scores, dict(strange.reasons)) == (0, 2, (), {"no_detection": 1})
    assert [score.micro.share for score in same.scores] == [1, 1, 1, 1]
    assert [score.micro.share for score in random.scores] == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1])
    assert [score.macro.share for score in random.scores] == pytest.approx([1 / 4, 3 / 4, 3 / 4, 1])
    assert [score.micro.share for score in summary.together.scores] == pytest.approx([3 / 5, 4 / 5, 4 / 5, 1])
    assert (summary.together.n, summary.together.none) == (5, 2)
    assert dict(summary.together.reasons) == {"low_score": 1, "no_detection": 2}
    assert summary.measured_parts == (same, random)


def test_parts_count_alike_in_their_mean() -> None:
    assert [score.micro.share for score in by_hand().mean] == pytest.approx([2 / 3, 5 / 6, 5 / 6, 1])


def test_differences_are_from_the_full_picture() -> None:
    summary = by_hand()
    for scores in (summary.together.scores, summary.mean, *(part.scores for part in summary.measured_parts)):
        full = scores[0]
        for score in scores:
            for measure in ("micro", "macro"):
                found, base = score.of(measure), full.of(measure)
                assert found.delta == pytest.approx(found.share - base.share)
                assert found.low <= found.share <= found.high
                assert found.delta_low <= found.delta <= found.delta_high
        assert (full.micro.delta, full.micro.delta_low, full.micro.delta_high) == (0, 0, 0)


def test_the_best_are_marked_and_an_oracle_is_out_of_the_contest() -> None:
    summary = by_hand()
    assert [score.micro.best for score in summary.parts[0].scores] == [True, True, True, False]
    assert [score.micro.best for score in summary.parts[1].scores] == [False, True, True, False]
    assert [score.macro.best for score in summary.mean] == [False, True, True, False]


def test_backgrounds_are_compared_where_there_are_parts_for_it() -> None:
    full, fg, *_ = by_hand().backgrounds
    assert (full.gap, fg.gap) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert full.gap_low is not None
    assert full.gap_high is not None
    assert full.gap_low <= 2 / 3 <= full.gap_high
    assert full.adversarial is None


def test_the_background_gap_leaves_out_objects_that_only_one_part_shows(tmp_path: Path) -> None:
    pictures = [
        Labelled(tmp_path / "0.jpg", "cat", "mixed_same", source="object 0"),
        Labelled(tmp_path / "1.jpg", "cat", "mixed_rand", source="object 0"),
        Labelled(tmp_path / "2.jpg", "dog", "mixed_rand", source="object 1"),
    ]
    answers = {"full": [("cat", 0.9), ("cat", 0.9), ("cat", 0.9)]}
    [full] = summarize(made(pictures, LABELS, answers), resamples=10).backgrounds
    assert full.gap == 0


def test_an_object_is_misled_by_one_background_of_several(tmp_path: Path) -> None:
    pictures = [
        Labelled(tmp_path / f"{turn}.jpg", "cat", "mixed_adversarial", source=f"object {turn // 2}")
        for turn in range(4)
    ]
    answers = {
        "full": [("cat", 0.9), ("dog", 0.9), ("cat", 0.9), ("cat", 0.9)],
        "fg": [("dog", 0.9)] * 4,
    }
    summary = summarize(made(pictures, LABELS, answers, default="robust"), resamples=10)
    assert [row.adversarial for row in summary.backgrounds] == [0.5, 1]
    assert [row.gap for row in summary.backgrounds] == [None, None]
    assert summary.default == "full"  # the dataset's fusion was not measured


def test_answering_only_when_sure_says_what_becomes_of_other_pictures() -> None:
    full, fg, *_ = by_hand().selective
    assert full.threshold == pytest.approx(0.6)
    assert (full.right_kept, full.answered, full.accuracy, full.none_answered) == (1, 0.8, 0.75, 0.5)
    assert full.answered_by_part == {"mixed_same": 1, "mixed_rand": pytest.approx(2 / 3), "strange": 0.5}
    assert (fg.threshold, fg.none_answered) == (pytest.approx(0.9), 0.5)


def test_disagreements_say_who_was_right() -> None:
    found = by_hand().disagreements
    assert found is not None
    assert (found.rival_right, found.full_right, found.both_right, found.neither_right) == ((2,), (), (3,), (4,))
    assert found.count == 3


def test_classes_and_confusions_are_counted() -> None:
    summary = by_hand()
    assert summary.methods == ("full", "fg", "max_confidence", "best_box")
    assert summary.classes[0] == ClassRow("cat", 2, (0.5, 1.0, 1.0, 1.0))
    assert summary.classes[1].shares == pytest.approx((2 / 3, 2 / 3, 2 / 3, 1.0))
    assert summary.confusions == (Confusion("dog", "owl", 1),)  # where owl is accepted, it is none


def test_a_label_outside_the_list_is_a_class_that_may_be_answered_by_another(tmp_path: Path) -> None:
    pictures = [
        Labelled(tmp_path / "a.jpg", "kitten", accepted=frozenset({"cat"})),
        Labelled(tmp_path / "b.jpg", "dog"),
    ]
    summary = summarize(made(pictures, LABELS, {"full": [("cat", 0.9), ("owl", 0.9)]}), resamples=10)
    assert [(row.label, row.shares) for row in summary.classes] == [("dog", (0.0,)), ("kitten", (1.0,))]
    assert summary.disagreements is None
    assert summary.confusions == (Confusion("dog", "owl", 1),)


def test_calibration_is_measured_on_labelled_pictures(tmp_path: Path) -> None:
    evaluation = drawn(tmp_path, ["a", "b"], LABELS, {"full": 0.6, "fg": 0.7}, none=10)
    summary = summarize(evaluation, resamples=20)
    labelled = np.array([bool(picture.label) for picture in evaluation.pictures])
    for score, answers in zip(summary.together.scores, evaluation.answers, strict=True):
        right = evaluation.correct(answers)[labelled]
        assert score.ece == pytest.approx(expected_calibration_error(answers.confidence[labelled], right))


def test_the_same_seed_gives_the_same_summary(tmp_path: Path) -> None:
    evaluation = drawn(tmp_path, ["a", "b"], LABELS, {"full": 0.6, "fg": 0.7})
    assert summarize(evaluation, resamples=30, seed=3) == summarize(evaluation, resamples=30, seed=3)
    assert summarize(evaluation, resamples=30, seed=3) != summarize(evaluation, resamples=30, seed=4)


def test_without_labels_nothing_can_be_measured(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no picture has a label"):
        summarize(made([Labelled(tmp_path / "a.jpg", "")], LABELS, {"full": [("cat", 0.9)]}))


def test_a_method_that_is_never_right_answers_at_any_confidence(tmp_path: Path) -> None:
    summary = summarize(made([Labelled(tmp_path / "a.jpg", "dog")], LABELS, {"full": [("cat", 0.9)]}), resamples=5)
    [row] = summary.selective
    assert (row.threshold, row.right_kept, row.answered, row.accuracy, row.none_answered) == (0, 1, 1, 0, None)


def test_the_findings_are_sentences() -> None:
    found = sentences(by_hand())
    assert found[0].startswith(
        "max_confidence answers 80.0 % of 5 pictures right, the full picture alone 60.0 %: +20.0"
    )
    assert "the full picture 66.7, fg 33.3 and max_confidence 33.3" in found[1]
    assert "fg is right on 1, the full picture on 0, both on 1, neither on 1" in found[2]
    assert "low_score 1, no_detection 2" in found[3]
    assert "Of 2 pictures of none of the classes, max_confidence still answers 50.0 %" in found[4]
    assert sentences(by_hand(), "macro")[0].startswith("max_confidence answers 83.3 % right on average over 2 classes")


@pytest.mark.parametrize(
    ("full", "fused", "verdict"),
    [(0.3, 0.95, "a gain that chance hardly"), (0.95, 0.3, "a loss that chance hardly"), (0.5, 0.5, "chance may")],
)
def test_the_headline_says_whether_chance_explains_the_difference(
    tmp_path: Path, full: float, fused: float, verdict: str
) -> None:
    evaluation = drawn(tmp_path, ["all"], LABELS, {"full": full, "max_confidence": fused}, per_part=100, seed=2)
    assert verdict in sentences(summarize(evaluation, resamples=200))[0]
