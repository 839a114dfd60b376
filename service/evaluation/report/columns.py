"""An evaluation as columns, one row per picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.evaluation.metrics import Bools, Ints
from service.evaluation.results import Evaluation


@dataclass(frozen=True, eq=False)
class Columns:
    """labelled `[N]`: shows one of the classes. parts `[N]`. names: the evaluation's labels, then those that only its
    pictures have. truth `[N]`: the place of a picture's label in `names`, -1 where it has none. correct, confidence
    `[N, M]`, predicted `[N, M]`: places in `names`."""

    methods: tuple[str, ...]
    labelled: Bools
    parts: NDArray[np.object_]
    names: tuple[str, ...]
    truth: Ints
    predicted: Ints
    correct: Bools
    confidence: NDArray[np.float32]

    def of(self, method: str) -> int:
        """The method's place."""
        return self.methods.index(method)


def columns(evaluation: Evaluation) -> Columns:
    labels = [picture.label for picture in evaluation.pictures]
    names = tuple(dict.fromkeys([*evaluation.labels, *(label for label in labels if label)]))
    place = {name: number for number, name in enumerate(names)}
    parts = np.empty(len(labels), np.object_)
    parts[:] = [picture.part for picture in evaluation.pictures]
    return Columns(
        methods=tuple(answers.method for answers in evaluation.answers),
        labelled=np.array([bool(label) for label in labels], np.bool_),
        parts=parts,
        names=names,
        truth=np.array([place[label] if label else -1 for label in labels], np.intp),
        predicted=np.stack([answers.predicted for answers in evaluation.answers], axis=1),
        correct=np.stack([evaluation.correct(answers) for answers in evaluation.answers], axis=1),
        confidence=np.stack([answers.confidence for answers in evaluation.answers], axis=1),
    )
