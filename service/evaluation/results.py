"""What an evaluation found, method by method, before anything is counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.evaluation.labelled import Labelled

Kind = Literal["branch", "fusion", "oracle"]


@dataclass(frozen=True, eq=False)
class Answers:
    """One method's answers to all pictures: the class's place `[N]` and the confidence `[N]`.

    Where a branch had no view of its own (no box, no mask), the full picture's answer stands in (section 3.1).
    """

    method: str
    kind: Kind
    predicted: NDArray[np.intp]
    confidence: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All methods' answers to the same pictures, the full picture's first.

    right: `[N, L]`, whether a class counts as a right answer. fallbacks: for each picture why only the full picture was
    there, or None. default: the fusion that the dataset answers with. about: what it was measured with, for the reader.
    presence: `[N]`, how much speaks for the default answers apart from the other classes, where it was measured.
    """

    pictures: tuple[Labelled, ...]
    labels: tuple[str, ...]
    right: NDArray[np.bool_]
    answers: tuple[Answers, ...]
    fallbacks: tuple[str | None, ...]
    default: str
    about: Mapping[str, str]
    presence: NDArray[np.float32] | None = None

    def correct(self, answers: Answers) -> NDArray[np.bool_]:
        """`[N]`"""
        found: NDArray[np.bool_] = self.right[np.arange(len(self.right)), answers.predicted]
        return found
