"""What cannot be said in JSON is a failure of a model, said so, not a crash while the answer is written."""

from dataclasses import replace
from typing import Any

import pytest

from service.api.wire import recognition_out
from service.errors import ModelFailed
from service.recognition.answers import (
    Branch,
    Candidate,
    Cascade,
    MetadataEffect,
    ObjectAnswer,
    Recognition,
    Score,
    Verdict,
)
from service.recognition.boxes import Box, Detection

SCORES = (Score("cat", 0.75), Score("dog", 0.25))
BRANCHES = {"full": Branch("cat", 0.75, SCORES), "fg": None}
VERDICT = Verdict("cat", 0.75, "full", "average", "full is surer", 0.2, False, SCORES, BRANCHES)
FOUND = Detection(Box(1, 2, 3, 4), 0.5)
ANSWER = Recognition(VERDICT, None, (FOUND,), 9, 9, {"locate": 1.0})


class Named:
    """What the document says of a model."""

    name = "named"


def document_of(answer: Recognition) -> dict[str, Any]:
    models: Any = (Named(), Named())
    return recognition_out(answer, "pets", "1" * 64, models, "id")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_a_model_s_failure(bad: float) -> None:
    wrong = replace(VERDICT, confidence=bad)
    for answer in (
        replace(ANSWER, verdict=wrong),
        replace(ANSWER, verdict=replace(VERDICT, presence=bad)),
        replace(ANSWER, verdict=replace(VERDICT, scores=(SCORES[0], Score("dog", bad)))),
        replace(ANSWER, verdict=replace(VERDICT, branches={"full": Branch("cat", bad, SCORES)})),
        replace(ANSWER, objects=(ObjectAnswer(FOUND, wrong),)),
        replace(ANSWER, candidates=(Candidate("cat", None, {"full": 1.0}, bad),)),
        replace(ANSWER, cascade=Cascade("full", bad, False)),
        replace(ANSWER, metadata=MetadataEffect({}, {}, Score("cat", bad))),
    ):
        with pytest.raises(ModelFailed, match="not finite"):
            document_of(answer)


def test_finite_numbers_are_sent_as_they_are() -> None:
    document = document_of(ANSWER)
    assert (document["confidence"], document["presence"], document["box"]["score"]) == (0.75, 0.2, 0.5)
