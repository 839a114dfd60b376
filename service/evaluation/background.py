"""How much answers depend on the background: the two figures of Xiao et al. 2020 (arXiv 2006.09994)."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

SAME, RANDOM = "mixed_same", "mixed_rand"


def background_gap(correct_by_part: Mapping[str, NDArray[np.bool_]]) -> float | None:
    """The BG-Gap of Xiao et al. 2020: accuracy on Mixed-Same less accuracy on Mixed-Rand, in [-1, 1].

    What a background of the right class is worth beside one that says nothing of the class; both parts show the same
    objects, cut out alike. Entries `[N]`: whether each answer was right; objects that only one part has (a class
    of one picture has no Mixed-Same) are better left out. None where a part is missing or empty.
    """
    same, random = correct_by_part.get(SAME), correct_by_part.get(RANDOM)
    if same is None or random is None or not len(same) or not len(random):
        return None
    return float(same.mean() - random.mean())


def adversarial_rate(correct: NDArray[np.bool_], sources: Sequence[str]) -> float | None:
    """The adversarial backgrounds of Xiao et al. 2020: the share of foregrounds that at least one fools, in [0, 1].

    correct `[N]` and sources `[N]`: of the `mixed_adversarial` pictures, which answers were right and which foreground
    each shows. The share grows with the number of backgrounds tried. None for no pictures.

    Raises:
        ValueError: the two differ in length.
    """
    if len(correct) != len(sources):
        raise ValueError(f"{len(correct)} answers to {len(sources)} pictures")
    fooled = {source for source, right in zip(sources, correct, strict=True) if not right}
    return len(fooled) / len(set(sources)) if sources else None
