"""Whether any of the classes is there at all."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
ABSTAIN_BY = ("confidence", "presence")
LEAST_BOX_SCORE = 0.05  # where nothing was found: detectors do not report less


def presence(cosines: Mapping[str, Floats], label: int, box_score: float | None) -> float:
    """How much speaks for the class of place `label` being in the picture, apart from the other classes.

    A confidence compares the classes of a closed list and can be high for a picture that shows none of them. This is
    the mean over the views of the cosine with the class, not below 0, times the box's score (None: not asked for), as
    in objectness-weighted fusion (RCOR, arXiv 2510.00618). `cosines [L]` for each view.
    """
    mean = float(np.mean([row[label] for row in cosines.values()]))
    score = 1.0 if box_score is None else max(box_score, LEAST_BOX_SCORE)
    return max(mean, 0.0) * score
