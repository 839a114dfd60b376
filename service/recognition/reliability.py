"""How far confidences can be trusted: the expected calibration error (Naeini et al. 2015; L2R2, B.3)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15


@dataclass(frozen=True, eq=False)
class Reliability:
    """Equal-width bins of confidence `[B]`: how many answers each holds, their mean confidence and their accuracy (both
    0 in an empty bin)."""

    counts: NDArray[np.intp]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error in [0, 1]: the bins' mean gap between confidence and accuracy, by their counts."""
        total = self.counts.sum()
        return float((self.counts * np.abs(self.confidence - self.accuracy)).sum() / total) if total else 0.0


def bins_of(confidence: NDArray[np.floating], bins: int = BINS) -> NDArray[np.intp]:
    """For each confidence the place of its bin `((b - 1) / B, b / B]`; 0 lies in the first."""
    return np.clip(np.ceil(confidence.astype(np.float64) * bins).astype(np.intp) - 1, 0, bins - 1)


def reliability(confidence: NDArray[np.floating], right: NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """Equal-width bins of `confidence [N]` against `right [N]`."""
    places = bins_of(confidence, bins)
    counts = np.bincount(places, minlength=bins)
    least_one = np.maximum(counts, 1)
    return Reliability(
        counts,
        np.bincount(places, confidence.astype(np.float64), minlength=bins) / least_one,
        np.bincount(places, right.astype(np.float64), minlength=bins) / least_one,
    )


def expected_calibration_error(confidence: NDArray[np.floating], right: NDArray[np.bool_], bins: int = BINS) -> float:
    return reliability(confidence, right, bins).error
