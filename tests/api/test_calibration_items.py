import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from service.api.calibration_items import MOST_LOGITS, ItemIn, read_samples
from service.calibration import Samples
from service.datasets.records import Dataset
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import InvalidFields
from service.evaluation.collect import looks_of
from service.lines import Line
from service.models.localizers.none import NoLocalizer
from service.recognition.answers import Recognition, Score, Verdict, box_score
from service.recognition.boxes import Box, Detection
from service.recognizer import Recognizer
from service.stages.locating import Located
from service.stages.options import Limits

VERDICT = Verdict("a", 1.0, "full", "average", "", 0.2, False, (Score("a", 1.0),), {})
FOUND = (Detection(Box(0, 0, 5, 5), 0.4),)


@pytest.mark.parametrize(
    ("fallback", "found", "score"),
    [
        (None, FOUND, 0.4),
        ("low_score", FOUND, 0.4),
        ("no_detection", FOUND, 0.4),  # views with a mask were asked for, and there was none
        ("no_detection", (), 0.0),
        ("disabled", (), None),
        ("timeout", (), 0.0),
    ],
)
def test_calibration_is_told_the_score_that_answering_knows(
    fallback: Any, found: tuple[Detection, ...], score: float | None
) -> None:
    best = found[0].score if found else None
    assert box_score(fallback, best) == score
    assert looks_of(Recognition(VERDICT, fallback, found, 9, 9, {}, embeddings={})).box_score == score
    assert Located(found, fallback).box_score == score


class NoEncoder:
    """Is never asked to embed anything here."""

    name, revision, logit_scale, pad_colour = "none", "1", 10.0, (0, 0, 0)

    def preprocess(self, rgb: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def embed_images(self, pixels: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        raise NotImplementedError


def samples_of(items: list[ItemIn], branches: Sequence[str], classes: int) -> Samples:
    labels = tuple(f"class {number}" for number in range(classes))
    spec = DatasetSpec(tuple(map(ClassEntry, labels)))
    dataset = Dataset("1", spec, labels, np.eye(classes, 4, dtype=np.float32))
    recognizer = Recognizer(NoLocalizer(), NoEncoder(), Limits())
    line = Line("calibration", 1, most_waiting=1, patience_s=1)
    try:
        return asyncio.run(read_samples(items, branches, dataset, recognizer, line))
    finally:
        line.close()
        recognizer.close()


def test_more_logits_than_fit_in_memory_are_refused_before_any_item_is_looked_at() -> None:
    classes, branches = 2000, ("full", "fg")
    most = MOST_LOGITS // (classes * len(branches))
    items = [ItemIn(label="no such class")] * (most + 1)
    with pytest.raises(InvalidFields) as caught:
        samples_of(items, branches, classes)
    [problem] = caught.value.problems
    assert problem.field == "items"
    assert f"at most {most}" in problem.detail
    with pytest.raises(InvalidFields, match="none of the dataset's classes"):
        samples_of(items[:-1], branches, classes)


@pytest.mark.parametrize(("branches", "counts"), [(("full",), False), (("full", "fg"), True)])
def test_a_box_s_score_counts_where_a_branch_is_made_with_the_box(branches: Sequence[str], counts: bool) -> None:
    item = ItemIn(label="class 1", embeddings={"full": [1, 0, 0, 0], "fg": [0, 1, 0, 0]}, box_score=0.25)
    [score] = samples_of([item], branches, 3).box_scores
    assert score == 0.25 if counts else np.isnan(score)
