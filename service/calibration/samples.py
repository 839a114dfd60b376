"""The pictures that calibration learns from, and their division into a part to fit and a part to measure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import FieldProblem, InvalidFields
from service.recognition.evidence import Evidence

Floats = NDArray[np.float32]
Places = NDArray[np.intp]
LEAST_PICTURES = 20
LEAST_CLASSES = 2
LEAST_HELD_OUT = 5


@dataclass(frozen=True, eq=False)
class Samples:
    """What the branches `names` say of N pictures.

    logits: `[N, V, L]`, unscaled; what stands where a branch had no view is ignored. present: `[N, V]`, false where it
    had none (nothing was detected). truth: `[N]`, the class's place, -1 for none of the classes. box_scores: `[N]`, nan
    without a box. logit_scale: logits divided by it are cosines.

    Raises: ValueError, for arrays that do not fit together, classes that do not exist and pictures without any view.
    """

    names: tuple[str, ...]
    logits: Floats
    present: NDArray[np.bool_]
    truth: Places
    box_scores: Floats
    logit_scale: float = 1.0

    def __post_init__(self) -> None:
        count = len(self.truth)
        if self.logits.ndim != 3 or self.logits.shape[:2] != (count, len(self.names)):
            raise ValueError(f"logits {list(self.logits.shape)} for {count} pictures and {len(self.names)} branches")
        if self.present.shape != self.logits.shape[:2] or self.box_scores.shape != (count,):
            raise ValueError("whether a branch is present, and the box's score, are said of every picture")
        if count and not -1 <= self.truth.min() <= self.truth.max() < self.logits.shape[2]:
            raise ValueError(f"a true class is one of {self.logits.shape[2]}, or -1")
        if not self.present.any(axis=1).all():
            raise ValueError("every picture has at least one view")

    def at(self, places: Places) -> "Samples":
        """Some of the pictures."""
        rows = (self.logits[places], self.present[places], self.truth[places], self.box_scores[places])
        return Samples(self.names, *rows, self.logit_scale)

    def of(self, branch: int) -> tuple[Floats, Places]:
        """Logits `[n, L]` and classes `[n]` of the pictures that a branch saw."""
        seen = self.present[:, branch]
        return self.logits[seen, branch], self.truth[seen]

    def complete(self) -> "Samples":
        """The pictures that every branch saw."""
        return self.at(np.flatnonzero(self.present.all(axis=1)))

    def evidence(self) -> list[Evidence]:
        """Of each picture what a fusion would get to see."""
        found = []
        for row, seen, score in zip(self.logits, self.present, self.box_scores, strict=True):
            names = tuple(name for name, there in zip(self.names, seen, strict=True) if there)
            found.append(Evidence(names, row[seen], None if np.isnan(score) else float(score)))
        return found


def check(samples: Samples, labels: Sequence[str]) -> None:
    """Whether anything at all can be learnt.

    Raises:
        InvalidFields: too few pictures or classes, or numbers that are none; it says what is needed.
        ValueError: there are not as many labels as logits.
    """
    if len(labels) != samples.logits.shape[2]:
        raise ValueError(f"{len(labels)} labels for {samples.logits.shape[2]} logits")
    known = samples.truth[samples.truth >= 0]
    if known.size < LEAST_PICTURES:
        raise _refusal(f"calibration needs {LEAST_PICTURES} pictures of the dataset's classes; there are {known.size}")
    classes = np.unique(known)
    if classes.size < LEAST_CLASSES:
        raise _refusal(f"calibration needs pictures of {LEAST_CLASSES} classes; all are of {labels[classes[0]]!r}")
    bad = np.argwhere(samples.present & ~np.isfinite(samples.logits).all(axis=2))
    if len(bad):
        picture, branch = bad[0]
        raise _refusal(f"the logits of branch {samples.names[branch]!r} are not finite", f"[{picture}]")
    if np.isinf(samples.box_scores).any():
        raise _refusal("the box's score is not finite", f"[{np.isinf(samples.box_scores).argmax()}]")


def split(truth: Places, share: float, seed: int) -> tuple[Places, Places]:
    """Places in `truth [N]` of the pictures to fit and of those held out, about `share` of every class.

    A class of two pictures or more is in both parts, a single picture is fitted; those of no class are in neither.
    """
    order = np.random.default_rng(seed).permutation(truth.size)
    held_out = np.zeros(truth.size, np.bool_)
    for label in np.unique(truth[truth >= 0]):
        members = order[truth[order] == label]
        if members.size > 1:
            count = min(max(round(share * members.size), 1), members.size - 1)
            held_out[members[:count]] = True
    return np.flatnonzero(~held_out & (truth >= 0)), np.flatnonzero(held_out)


def check_held_out(count: int) -> None:
    """Raises InvalidFields where so few pictures are held out that nothing can be measured."""
    if count < LEAST_HELD_OUT:
        raise _refusal(
            f"calibration holds back at least {LEAST_HELD_OUT} pictures to measure itself, of classes with two or "
            f"more; here it could hold back {count}"
        )


def _refusal(detail: str, place: str = "") -> InvalidFields:
    return InvalidFields(FieldProblem(f"items{place}", detail))
