"""The full picture's best labels are looked for, and one of them answers (L2R2, C.1 and equation 5)."""

import numpy as np
import pytest
from fakes import (
    ColourEncoder,
    FakeLocalizer,
    FakeSegmenter,
    Start,
    always,
    by_colour,
    cosines_of,
    dataset_of,
    picture_of,
    pixels_of,
)

from service.errors import InvalidFields
from service.models.ports import PromptSet
from service.recognition.abstention import LEAST_BOX_SCORE
from service.recognition.boxes import Box, Detection
from service.recognition.priors import Prior
from service.stages.options import Options

pytestmark = pytest.mark.anyio
PLACE = {"red": 0, "green": 1, "blue": 2}
PATCH = (8, 4, 16, 12)
ON_GREEN = picture_of("green", ("red", PATCH))
FULL = 10 * cosines_of(pixels_of(ON_GREEN))
CROP = 10 * cosines_of(pixels_of(ON_GREEN)[4:12, 8:16])
SQUARE = np.zeros((24, 24, 3))  # the green ground's extent is the whole picture, padded with black
SQUARE[4:20] = pixels_of(ON_GREEN)
GROUND = 10 * cosines_of(SQUARE)
COLOURS = dataset_of()


def softmax(logits: list[float]) -> np.ndarray:
    powers = np.exp(np.array(logits) - max(logits))
    return powers / powers.sum()


@pytest.mark.parametrize("fusion", ["max", "average"])
async def test_each_candidate_is_judged_by_its_own_class_in_its_own_view(start: Start, fusion: str) -> None:
    encoder, localizer = ColourEncoder(), FakeLocalizer(by_colour)
    answer = await start(localizer, encoder).recognize(
        ON_GREEN, COLOURS, Options(candidates=2, candidate_fusion=fusion)
    )
    assert sorted(prompts.prompts for prompts in localizer.asked) == [("green",), ("red",)]
    assert encoder.batches == [1, 2]
    assert answer.candidates is not None
    green, red = answer.candidates
    assert (green.label, red.label) == ("green", "red")
    assert green.logits == {"full": pytest.approx(FULL[1]), "fg": pytest.approx(GROUND[1])}
    assert red.logits == {"full": pytest.approx(FULL[0]), "fg": pytest.approx(CROP[0])}
    assert red.detection == Detection(Box(*PATCH), 1.0, "red")
    together = (lambda *rows: max(rows)) if fusion == "max" else (lambda *rows: sum(rows) / len(rows))
    combined = [together(FULL[1], GROUND[1]), together(FULL[0], CROP[0])]
    assert [green.combined, red.combined] == pytest.approx(combined)
    best = int(np.argmax(combined))
    assert answer.label == ("green", "red")[best]
    assert answer.verdict.confidence == pytest.approx(softmax(combined)[best])
    assert answer.verdict.fusion == f"candidates_{fusion}"
    assert answer.detections[0].prompt == answer.label
    assert answer.fallback is None


async def test_the_branch_that_is_surest_of_the_label_is_named(start: Start) -> None:
    answer = await start(FakeLocalizer(by_colour)).recognize(ON_GREEN, COLOURS, Options(candidates=2))
    assert (answer.label, answer.verdict.branch) == ("red", "fg")
    assert "over 2 candidates; fg is surest" in answer.verdict.reason
    assert answer.verdict.presence == pytest.approx((FULL[0] + CROP[0]) / 2 / 10)


async def test_where_a_candidate_finds_nothing_the_full_picture_stands_in(start: Start) -> None:
    encoder = ColourEncoder()
    answer = await start(FakeLocalizer(by_colour), encoder).recognize(ON_GREEN, COLOURS, Options(candidates=3))
    assert encoder.batches == [1, 2]
    assert answer.candidates is not None
    blue = answer.candidates[2]
    assert (blue.label, blue.detection) == ("blue", None)
    assert blue.logits["fg"] == blue.logits["full"] == pytest.approx(FULL[2])


@pytest.mark.parametrize(("score", "fallback"), [(None, "no_detection"), (0.1, "low_score")])
async def test_where_no_candidate_is_found_the_full_picture_answers(
    start: Start, score: float | None, fallback: str
) -> None:
    found = () if score is None else (Detection(Box(*PATCH), score, "red"),)
    encoder = ColourEncoder()
    answer = await start(FakeLocalizer(always(*found)), encoder).recognize(ON_GREEN, COLOURS, Options(candidates=2))
    assert encoder.batches == [1]
    assert (answer.label, answer.verdict.branch, answer.fallback) == ("green", "full", fallback)
    assert answer.verdict.branches["fg"] is None
    assert answer.detections == found
    assert answer.candidates is not None
    assert [entry.detection for entry in answer.candidates] == [None, None]
    assert answer.verdict.presence == pytest.approx(FULL[1] / 10 * max(score or 0.0, LEAST_BOX_SCORE))


async def test_a_localizer_that_is_too_slow_leaves_the_answer_to_the_full_picture(start: Start) -> None:
    localizer = FakeLocalizer(by_colour)
    localizer.open.clear()
    answer = await start(localizer, locate_timeout_s=0.05).recognize(ON_GREEN, COLOURS, Options(candidates=2))
    assert (answer.label, answer.fallback, answer.verdict.branches["fg"]) == ("green", "timeout", None)
    assert answer.verdict.presence == pytest.approx(FULL[1] / 10 * LEAST_BOX_SCORE)


async def test_without_a_localizer_nothing_is_looked_for(start: Start) -> None:
    localizer = FakeLocalizer(by_colour, name="none", reads_prompts=False)
    answer = await start(localizer).recognize(ON_GREEN, COLOURS, Options(candidates=2))
    assert (answer.label, answer.fallback, localizer.asked) == ("green", "disabled", [])


async def test_a_localizer_without_prompts_is_asked_and_looked_at_once(start: Start) -> None:
    encoder, segmenter = ColourEncoder(), FakeSegmenter()
    localizer = FakeLocalizer(always(Detection(Box(*PATCH), 0.8)), reads_prompts=False)
    dataset = dataset_of(localizer_prompts=("thing",))
    options = Options(candidates=3, branches=("full", "fg", "fg_mask"))
    answer = await start(localizer, encoder, segmenter).recognize(ON_GREEN, dataset, options)
    assert localizer.asked == [PromptSet(("thing",))]
    assert segmenter.boxes == [Box(*PATCH)]
    assert encoder.batches == [1, 2]
    assert answer.candidates is not None
    assert [entry.detection for entry in answer.candidates] == [Detection(Box(*PATCH), 0.8)] * 3
    for entry in answer.candidates:
        assert entry.logits["fg"] == pytest.approx(CROP[PLACE[entry.label]], abs=1e-5)
    assert answer.label == "red"


async def test_several_branches_are_combined(start: Start) -> None:
    recognizer = start(FakeLocalizer(by_colour), None, FakeSegmenter())
    options = Options(candidates=3, branches=("full", "fg", "fg_mask", "bg_box"), candidate_fusion="average")
    answer = await recognizer.recognize(ON_GREEN, COLOURS, options)
    assert answer.candidates is not None
    for entry in answer.candidates:
        assert list(entry.logits) == ["full", "fg", "fg_mask", "bg_box"]
        assert entry.combined == pytest.approx(sum(entry.logits.values()) / 4, abs=1e-5)
    assert set(answer.verdict.branches) == {"full", "fg", "fg_mask", "bg_box"}


async def test_a_candidate_whose_mask_is_empty_is_left_to_the_full_picture(start: Start) -> None:
    encoder = ColourEncoder()
    recognizer = start(FakeLocalizer(by_colour), encoder, FakeSegmenter(empty=True))
    answer = await recognizer.recognize(ON_GREEN, COLOURS, Options(candidates=2, branches=("full", "fg_mask")))
    assert encoder.batches == [1]
    assert (answer.label, answer.fallback, answer.verdict.branches["fg_mask"]) == ("green", "no_detection", None)


async def test_more_candidates_than_classes_are_all_classes(start: Start) -> None:
    answer = await start(FakeLocalizer(by_colour)).recognize(ON_GREEN, COLOURS, Options(candidates=20))
    assert answer.candidates is not None
    assert [entry.label for entry in answer.candidates] == ["green", "red", "blue"]


async def test_a_class_that_is_no_candidate_has_no_share(start: Start) -> None:
    answer = await start(FakeLocalizer(by_colour)).recognize(ON_GREEN, COLOURS, Options(candidates=1))
    assert answer.label == "green"
    assert [score.confidence for score in answer.verdict.scores] == [1.0, 0.0, 0.0]
    for branch in answer.verdict.branches.values():
        assert branch is not None
        assert branch.confidence == 1.0


async def test_a_label_that_the_localizer_cannot_take_is_named(start: Start) -> None:
    dataset = dataset_of("red", "too long", localizer_prompts=("red",), templates=("red green {}",))
    with pytest.raises(InvalidFields, match="more than 4 tokens") as caught:
        await start(FakeLocalizer(by_colour)).recognize(ON_GREEN, dataset, Options(candidates=2))
    assert [problem.field for problem in caught.value.problems] == ["candidates"]


async def test_metadata_choose_the_candidates_and_weigh_them_and_the_old_answer_is_shown(start: Start) -> None:
    prior = Prior("probabilities", {"sea": {"red": 0.001, "green": 0.009, "blue": 0.99}})
    dataset, localizer = dataset_of(priors={"place": prior}), FakeLocalizer(by_colour)
    recognizer = start(localizer)
    plain = await recognizer.recognize(ON_GREEN, dataset, Options(candidates=3))
    answer = await recognizer.recognize(ON_GREEN, dataset, Options(candidates=3, metadata={"place": "sea"}))
    assert plain.metadata is None
    assert answer.candidates is not None
    assert plain.candidates is not None
    assert {entry.label: entry.combined for entry in answer.candidates} == pytest.approx(
        {entry.label: entry.combined for entry in plain.candidates}
    )
    combined = {entry.label: entry.combined for entry in plain.candidates}
    weighed = softmax([combined[name] + np.log(prior.values["sea"][name]) for name in PLACE])
    assert {score.label: score.confidence for score in answer.verdict.scores} == pytest.approx(
        dict(zip(PLACE, weighed, strict=True)), abs=1e-5
    )
    assert answer.metadata is not None
    assert answer.metadata.without == plain.verdict.scores[0]
    localizer.asked.clear()
    await recognizer.recognize(ON_GREEN, dataset, Options(candidates=1, metadata={"place": "sea"}))
    assert localizer.asked == [PromptSet(("green",))]


async def test_embeddings_are_those_of_the_full_picture_and_of_the_answers_views(start: Start) -> None:
    answer = await start(FakeLocalizer(by_colour)).recognize(ON_GREEN, COLOURS, Options(candidates=2, embeddings=True))
    assert answer.embeddings is not None
    assert 10 * answer.embeddings["full"] == pytest.approx(FULL, abs=1e-4)
    assert 10 * answer.embeddings["fg"] == pytest.approx(CROP, abs=1e-4)
