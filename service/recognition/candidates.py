"""Objects found without knowing the class: the full picture's best labels are looked for (L2R2, C.1, "no GT")."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
CANDIDATE_FUSIONS = ("max", "average")


def aggregated_logits(view_logits: Sequence[Floats | None], full: Floats, places: Sequence[int]) -> Floats:
    """Logits `[K]` of one kind of view (equation 5): of each candidate's own view the entry of that candidate's class.

    Args:
        view_logits: for each candidate the logits `[C]` of the view that its prompt found, None where it found
            nothing: there the full picture stands in.
        full: logits `[C]` of the full picture.
        places: the candidates' places among these C classes `[K]`.
    """
    rows = [full if row is None else row for row in view_logits]
    return np.array([row[place] for row, place in zip(rows, places, strict=True)], np.float32)


def combined_logits(branches: Mapping[str, Floats], fusion: str) -> Floats:
    """The candidates' logits `[K]` of all branches, by their `average` or their `max`. Raises ValueError for others."""
    if fusion not in CANDIDATE_FUSIONS:
        raise ValueError(f"{fusion!r} is none of {', '.join(CANDIDATE_FUSIONS)}")
    rows = np.stack(list(branches.values()))
    combined: Floats = rows.max(axis=0) if fusion == "max" else rows.mean(axis=0)
    return combined
