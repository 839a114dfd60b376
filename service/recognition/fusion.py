"""One answer from several branches: every policy of L2R2 (section 3.3 and B.3), by name."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from service.recognition.calibration import NEUTRAL, Calibration, centred, network_logits
from service.recognition.evidence import Evidence, Fused
from service.recognition.scoring import softmax

__all__ = ["DEFAULT_FUSION", "DEFAULT_THRESHOLD", "FUSIONS", "Evidence", "Fused", "Fusion"]
Floats = NDArray[np.float32]
DEFAULT_THRESHOLD = 0.5
Policy = Callable[[Evidence, Calibration], Fused]


@dataclass(frozen=True)
class Fusion:
    """A policy with what it must have learnt before (a name of a field of Calibration), if anything."""

    name: str
    summary: str
    policy: Policy
    needs: str | None = None

    def __call__(self, evidence: Evidence, calibration: Calibration = NEUTRAL) -> Fused:
        """One branch alone is itself, scaled where the policy scales."""
        if len(evidence.names) == 1:
            neutral = NEUTRAL if self.name in UNSCALED else calibration
            [(name, row)] = evidence.probabilities(neutral).items()
            return Fused(row, name, f"{name} alone was there to answer")
        return self.policy(evidence, calibration)


def _surest(branches: Mapping[str, Floats], weights: Mapping[str, float] | None = None) -> Fused:
    """The branch with the largest (weighted) top probability answers alone; of equals the first."""
    sure = {name: float(row.max()) * (weights or {}).get(name, 1.0) for name, row in branches.items()}
    first, second = sorted(sure, key=lambda name: -sure[name])[:2]
    more, less = _told_apart(sure[first], sure[second])
    return Fused(branches[first], first, f"{first} is surer: {more} against {less} of {second}")


def _told_apart(more: float, less: float) -> tuple[str, str]:
    """With four decimals, or as many more as tell them apart."""
    digits = next((digits for digits in range(4, 9) if f"{more:.{digits}f}" != f"{less:.{digits}f}"), 4)
    return f"{more:.{digits}f}", f"{less:.{digits}f}"


def _preferred(names: Sequence[str]) -> str:
    """The branch that `threshold` and `robust` trust first: that of the object, not of the whole picture."""
    for name in ("fg", "fg_mask", "fg_margin"):
        if name in names:
            return name
    return names[-1]


def _combined(evidence: Evidence, calibration: Calibration, logits: Floats, how: str) -> Fused:
    """An answer that all branches made; the one surest of its label, after scaling, is named."""
    return _all_of(evidence.probabilities(calibration), softmax(evidence.with_prior(logits)), how)


def _all_of(branches: Mapping[str, Floats], probabilities: Floats, how: str) -> Fused:
    label = int(probabilities.argmax())
    leading = max(branches, key=lambda name: float(branches[name][label]))
    return Fused(probabilities, leading, f"{how} of {', '.join(branches)}; {leading} is surest of this label")


def max_confidence(evidence: Evidence, _calibration: Calibration) -> Fused:
    """The most confident branch answers (B.3, item 1)."""
    return _surest(evidence.probabilities())


def max_scaled_confidence(evidence: Evidence, calibration: Calibration) -> Fused:
    """The most confident branch answers, confidences being scaled by temperature (item 2)."""
    return _surest(evidence.probabilities(calibration))


def objectness_max_confidence(evidence: Evidence, _calibration: Calibration) -> Fused:
    """The most confident branch, views made with the box counting by the box's score (RCOR, arXiv 2510.00618)."""
    score = 1.0 if evidence.box_score is None else evidence.box_score
    weights = {name: 1.0 if name in WITHOUT_BOX else score for name in evidence.names}
    return _surest(evidence.probabilities(), weights)


def threshold(evidence: Evidence, calibration: Calibration) -> Fused:
    """The crop if it is surer than the threshold, else the most confident branch (item 3)."""
    branches = evidence.probabilities()
    return _above_threshold(branches, calibration) or _surest(branches)


def robust(evidence: Evidence, calibration: Calibration) -> Fused:
    """The crop if it is surer than the threshold, else the most confident of the others (section 3.3)."""
    branches = evidence.probabilities()
    above = _above_threshold(branches, calibration)
    if above is not None:
        return above
    crop = _preferred(tuple(branches))
    others = {name: row for name, row in branches.items() if name != crop}
    other = max(others, key=lambda name: float(others[name].max()))
    return Fused(others[other], other, f"{other} answers, as {crop} is not sure enough: {branches[crop].max():.4f}")


def _above_threshold(branches: Mapping[str, Floats], calibration: Calibration) -> Fused | None:
    level = DEFAULT_THRESHOLD if calibration.threshold is None else calibration.threshold
    crop = _preferred(tuple(branches))
    sure = float(branches[crop].max())
    return Fused(branches[crop], crop, f"{crop} is sure: {sure:.4f} above {level:.4f}") if sure > level else None


def average(evidence: Evidence, _calibration: Calibration) -> Fused:
    """The mean of the branches' probabilities."""
    branches = evidence.probabilities()
    mean: Floats = np.mean(list(branches.values()), axis=0, dtype=np.float32)
    return _all_of(branches, mean, "mean probability")


def scaled_average(evidence: Evidence, calibration: Calibration) -> Fused:
    """The mean of the branches' logits, scaled by temperature (item 4)."""
    return _combined(evidence, calibration, _scaled(evidence, calibration).mean(axis=0), "mean logits")


def scaled_weighted_average(evidence: Evidence, calibration: Calibration) -> Fused:
    """A weighted mean of the branches' logits, scaled by temperature (item 5); of those without a weight the mean."""
    weights = np.array([calibration.weights.get(name, 0.0) for name in evidence.names], np.float32)
    if not weights.any():
        weights = np.full(len(evidence.names), 1.0, np.float32)
    logits = (weights / weights.sum()) @ _scaled(evidence, calibration)
    return _combined(evidence, calibration, logits, "weighted mean logits")


def class_weighted_logits(evidence: Evidence, calibration: Calibration) -> Fused:
    """The sum of the branches' centred logits, each times a weight of branch and class (section 3.3; B.3, item 9); the
    mean of the scaled logits where nothing was learnt or a branch is missing."""
    rows = _calibrated(evidence, calibration)
    if rows is None or not calibration.class_weights:
        return scaled_average(evidence, calibration)
    weighted = (calibration.class_weight_rows * centred(rows)).sum(axis=0)
    return _combined(evidence, calibration, weighted, "class-weighted logits")


def concat_fc(evidence: Evidence, calibration: Calibration) -> Fused:
    """A small fully connected network over the concatenated logits (item 8); the mean of the scaled logits where
    nothing was learnt or a branch is missing."""
    rows = _calibrated(evidence, calibration)
    if rows is None or calibration.network is None:
        return scaled_average(evidence, calibration)
    return _combined(evidence, calibration, network_logits(calibration.network, rows), "a network over the logits")


def _calibrated(evidence: Evidence, calibration: Calibration) -> Floats | None:
    """`[V, L]` of the branches that were calibrated, in their order; None when one of them is missing here."""
    if not set(calibration.branches) <= set(evidence.names):
        return None
    rows: Floats = evidence.logits[[evidence.names.index(name) for name in calibration.branches]]
    return rows


def _scaled(evidence: Evidence, calibration: Calibration) -> Floats:
    return np.stack([calibration.scaled(*pair) for pair in zip(evidence.names, evidence.logits, strict=True)])


WITHOUT_BOX = frozenset({"full", "center_crop"})
UNSCALED = frozenset({"max_confidence", "objectness_max_confidence", "threshold", "robust", "average"})
_ROWS = (
    Fusion("max_confidence", "the most confident view answers alone", max_confidence),
    Fusion("max_scaled_confidence", "the most confident view after temperature scaling", max_scaled_confidence),
    Fusion("objectness_max_confidence", "the most confident view; the box's score weighs the crop's",
           objectness_max_confidence),
    Fusion("threshold", "the crop if it is surer than a threshold, else the most confident view", threshold),
    Fusion("robust", "the crop if it is surer than a threshold, else the most confident other view", robust),
    Fusion("average", "the mean of the views' probabilities", average),
    Fusion("scaled_average", "the mean of the views' logits after temperature scaling", scaled_average),
    Fusion("scaled_weighted_average", "a fitted weighted mean of the scaled logits", scaled_weighted_average),
    Fusion("class_weighted_logits", "logits weighted by view and class, fitted", class_weighted_logits,
           "class_weights"),
    Fusion("concat_fc", "a small network over all views' logits, fitted", concat_fc, "network"),
)  # fmt: skip
FUSIONS: Mapping[str, Fusion] = MappingProxyType({row.name: row for row in _ROWS})
DEFAULT_FUSION = "max_confidence"


def applicable(name: str, branches: Collection[str], calibration: Calibration) -> Fusion:
    """The named fusion, or the default one where it would have to be fitted to these branches and was not."""
    fusion = FUSIONS[name]
    if fusion.needs is None or len(branches) == 1:
        return fusion
    fitted = getattr(calibration, fusion.needs) and set(calibration.branches) == set(branches)
    return fusion if fitted else FUSIONS[DEFAULT_FUSION]
