"""Metadata, abstention, fusions that lack a view, and embeddings."""

import numpy as np
import pytest
from fakes import (
    ColourEncoder,
    FakeLocalizer,
    FakeSegmenter,
    Start,
    always,
    by_colour,
    confidences_of,
    cosines_of,
    dataset_of,
    mean_colour,
    picture_of,
    pixels_of,
)

from service.recognition.boxes import Box, Detection
from service.recognition.calibration import Calibration
from service.recognition.fusion import FUSIONS
from service.recognition.priors import Prior
from service.stages.options import Options

pytestmark = pytest.mark.anyio
PATCH = (8, 4, 16, 12)
ON_GREEN = picture_of("green", ("red", PATCH))
FULL, CROP = pixels_of(ON_GREEN), pixels_of(ON_GREEN)[4:12, 8:16]
RED = dataset_of(localizer_prompts=("red",))
SEA = {"red": 0.00001, "green": 0.00001, "blue": 0.99998}
PRIORS = {"place": Prior("probabilities", {"sea": SEA}), "month": Prior("counts", {"may": {"red": 8.0, "green": 1.0}})}


async def test_metadata_change_the_answer_and_the_old_one_is_shown(start: Start) -> None:
    recognizer = start(FakeLocalizer(by_colour))
    dataset = dataset_of(localizer_prompts=("red",), priors=PRIORS)
    plain = await recognizer.recognize(ON_GREEN, dataset, Options())
    answer = await recognizer.recognize(ON_GREEN, dataset, Options(metadata={"place": "sea"}))
    assert (plain.label, plain.metadata) == ("red", None)
    assert answer.label == "blue"
    assert answer.metadata is not None
    assert answer.metadata.without == plain.verdict.scores[0]
    assert (answer.metadata.used, answer.metadata.ignored) == ({"place": "sea"}, {})
    for name, view in (("full", FULL), ("fg", CROP)):
        weighed = confidences_of(view) * list(SEA.values())
        branch = answer.verdict.branches[name]
        assert branch is not None
        assert branch.confidence == pytest.approx(weighed.max() / weighed.sum(), abs=1e-5)


async def test_metadata_that_say_nothing_are_ignored_with_the_reason(start: Start) -> None:
    recognizer = start(FakeLocalizer(by_colour))
    dataset = dataset_of(localizer_prompts=("red",), priors=PRIORS)
    plain = await recognizer.recognize(ON_GREEN, dataset, Options())
    answer = await recognizer.recognize(ON_GREEN, dataset, Options(metadata={"place": "moon", "weather": "rain"}))
    assert answer.verdict == plain.verdict
    assert answer.metadata is not None
    assert answer.metadata.used == {}
    assert answer.metadata.without == plain.verdict.scores[0]
    assert set(answer.metadata.ignored) == {"place", "weather"}
    assert "sea" in answer.metadata.ignored["place"]
    assert "place, month" in answer.metadata.ignored["weather"]


async def test_several_attributes_are_weighed_together_and_strangers_left_out(start: Start) -> None:
    recognizer = start(FakeLocalizer(by_colour))
    metadata = {"month": "may", "place": "sea", "mood": "good"}
    answer = await recognizer.recognize(ON_GREEN, dataset_of(priors=PRIORS), Options(metadata=metadata))
    may = np.array([9, 2, 1]) / 12  # one is added to each count
    weighed = confidences_of(FULL) * list(SEA.values()) * may
    assert {score.label: score.confidence for score in answer.verdict.scores} == pytest.approx(
        dict(zip(("red", "green", "blue"), weighed / weighed.sum(), strict=True)), abs=1e-5
    )
    assert answer.metadata is not None
    assert set(answer.metadata.used) == {"month", "place"}
    assert set(answer.metadata.ignored) == {"mood"}


@pytest.mark.parametrize(("below", "abstained"), [(0.0, False), (0.5, False), (0.9999, True)])
async def test_an_answer_that_is_not_confident_enough_is_withheld(start: Start, below: float, abstained: bool) -> None:
    recognizer = start(FakeLocalizer(by_colour))
    answer = await recognizer.recognize(ON_GREEN, RED, Options(abstain_below=below))
    assert answer.verdict.abstained is abstained
    assert answer.label == (None if abstained else "red")
    assert answer.verdict.scores[0].label == "red"
    assert answer.verdict.confidence == pytest.approx(confidences_of(CROP).max())


@pytest.mark.parametrize(("score", "abstained"), [(0.9, False), (0.5, True)])
async def test_an_answer_for_which_too_little_speaks_is_withheld_however_confident(
    start: Start, score: float, abstained: bool
) -> None:
    recognizer = start(FakeLocalizer(always(Detection(Box(*PATCH), score))))
    dataset = dataset_of(abstain_by="presence", abstain_below=0.4)
    answer = await recognizer.recognize(ON_GREEN, dataset, Options())
    assert answer.verdict.confidence > 0.99
    assert answer.verdict.abstained is abstained
    assert answer.verdict.presence == pytest.approx(score * (cosines_of(FULL)[0] + cosines_of(CROP)[0]) / 2)


async def test_embeddings_are_returned_where_they_were_asked_for(start: Start) -> None:
    recognizer = start(FakeLocalizer(by_colour))
    answer = await recognizer.recognize(ON_GREEN, RED, Options(embeddings=True))
    assert answer.embeddings is not None
    assert list(answer.embeddings) == ["full", "fg"]
    assert answer.embeddings["full"] == pytest.approx(mean_colour(FULL), abs=1e-5)
    assert answer.embeddings["fg"] == pytest.approx(mean_colour(CROP), abs=1e-5)


async def test_no_more_scores_than_asked_for(start: Start) -> None:
    answer = await start(FakeLocalizer(by_colour)).recognize(ON_GREEN, RED, Options(top_k=1))
    assert [score.label for score in answer.verdict.scores] == ["red"]
    assert [len(branch.scores) for branch in answer.verdict.branches.values() if branch] == [1, 1]


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("branch", ["full", "fg", "bg_box", "center_crop"])
async def test_a_fusion_of_one_branch_is_that_branch(start: Start, fusion: str, branch: str) -> None:
    recognizer = start(FakeLocalizer(by_colour))
    answer = await recognizer.recognize(ON_GREEN, RED, Options(fusion=fusion, branches=(branch,)))
    alone = answer.verdict.branches[branch]
    assert alone is not None
    assert (answer.verdict.branch, answer.verdict.fusion) == (branch, fusion)
    assert answer.verdict.scores == alone.scores


FITTED = Calibration(
    branches=("full", "fg", "fg_mask"),
    class_weights={"full": (0.0, 0.0, 0.0), "fg": (1.0, 1.0, 1.0), "fg_mask": (1.0, 1.0, 1.0)},
)


@pytest.mark.parametrize(
    ("empty", "applied"), [(False, "class_weighted_logits"), (True, "max_confidence")], ids=["complete", "no mask"]
)
async def test_a_fitted_fusion_that_lacks_a_view_is_replaced_and_says_so(
    start: Start, empty: bool, applied: str
) -> None:
    dataset = dataset_of(localizer_prompts=("red",), fusion="class_weighted_logits", calibration=FITTED)
    recognizer = start(FakeLocalizer(by_colour), None, FakeSegmenter(empty=empty))
    answer = await recognizer.recognize(ON_GREEN, dataset, Options())
    assert (answer.label, answer.verdict.fusion) == ("red", applied)
    assert set(answer.verdict.branches) == set(FITTED.branches)
    found = {name for name, branch in answer.verdict.branches.items() if branch is not None}
    assert found == ({"full", "fg"} if empty else {"full", "fg", "fg_mask"})


async def test_a_fitted_fusion_that_has_only_the_full_picture_is_that(start: Start) -> None:
    dataset = dataset_of(localizer_prompts=("red",), fusion="class_weighted_logits", calibration=FITTED)
    recognizer = start(FakeLocalizer(always()), None, FakeSegmenter())
    answer = await recognizer.recognize(ON_GREEN, dataset, Options())
    assert (answer.label, answer.verdict.branch, answer.verdict.fusion) == ("green", "full", "class_weighted_logits")


async def test_the_encoders_scale_is_that_of_the_logits(start: Start) -> None:
    recognizer = start(FakeLocalizer(by_colour), ColourEncoder(logit_scale=3.0))
    answer = await recognizer.recognize(ON_GREEN, RED, Options())
    assert answer.verdict.confidence == pytest.approx(confidences_of(CROP, 3.0).max())
    assert answer.verdict.presence == pytest.approx((cosines_of(FULL)[0] + cosines_of(CROP)[0]) / 2)
