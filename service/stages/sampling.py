"""Kept looks become what calibration learns from."""

from collections.abc import Mapping, Sequence

import numpy as np

from service.calibration import Samples
from service.datasets.records import Dataset
from service.errors import FieldProblem, InvalidFields
from service.models.ports import Floats
from service.recognition.scoring import class_logits
from service.recognition.views import answering_views

NONE_OF_THEM = -1


def places_of(labels: Sequence[str | None], dataset: Dataset, field: str = "items") -> list[int]:
    """Each label's place among the classes, -1 for None. Raises InvalidFields for a label that is no class."""
    known = {label: place for place, label in enumerate(dataset.labels)}
    strange = [(number, label) for number, label in enumerate(labels) if label is not None and label not in known]
    if strange:
        allowed = dataset.labels[:50]
        detail = "is none of the dataset's classes"
        raise InvalidFields(
            *(FieldProblem(f"{field}[{at}].label", f"{label!r} {detail}", allowed) for at, label in strange[:50])
        )
    return [NONE_OF_THEM if label is None else known[label] for label in labels]


def samples_of(
    looks: Sequence[Mapping[str, Floats]],
    box_scores: Sequence[float | None],
    truth: Sequence[int],
    branches: Sequence[str],
    dataset: Dataset,
    logit_scale: float,
) -> Samples:
    """`looks`: for each picture the unit embeddings `[D]` of the views that could be shown. Present are those of
    `branches` that answer; a picture that none of them answers (the full picture does, and is no branch) is left out.
    """
    logits = np.zeros((len(looks), len(branches), len(dataset.labels)), np.float32)
    present = np.zeros(logits.shape[:2], np.bool_)
    for number, views in enumerate(looks):
        answering = answering_views(branches, views)
        for place, name in enumerate(branches):
            if name in answering:
                logits[number, place] = class_logits(views[name][None], dataset.prototypes, logit_scale)[0]
                present[number, place] = True
    scores = np.array([np.nan if score is None else score for score in box_scores], np.float32)
    used = present.any(axis=1)
    rows = (logits[used], present[used], np.array(truth, np.intp)[used], scores[used])
    return Samples(tuple(branches), *rows, logit_scale)
