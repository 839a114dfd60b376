"""Class prototypes from example pictures, alone or beside the class's name.

Pictures lie nearer to each other than to texts (the modality gap; Liang et al. 2022, "Mind the Gap"). In a list of
both, a class with examples would win because it has some, not because it fits. So prototypes of pictures are moved to
those of texts, by the difference of the means, before they are compared.
"""

import numpy as np
from numpy.typing import NDArray

from service.recognition.scoring import unit

Floats = NDArray[np.float32]
LEAST_PICTURED = 2  # classes: of a single one nothing is left when its mean is taken away


def picture_prototype(embeddings: Floats) -> Floats:
    """`[D]`, the unit mean of one class's unit picture embeddings `[P, D]`."""
    return unit(embeddings.mean(axis=0))


def too_few_to_move(weights: Floats, *, shared_space: bool) -> bool:
    """Whether a single class has pictures, beside names, and the encoder's gap is too wide to leave it where it is.

    `weights [L]` of the pictures: 0 for a class without any, 1 for one without texts.
    """
    return not shared_space and _is_mixed(weights) and int(np.count_nonzero(weights)) < LEAST_PICTURED


def exemplar_prototypes(texts: Floats, pictures: Floats, weights: Floats, *, shared_space: bool) -> Floats:
    """Prototypes `[L, D]`: unit(weight * pictures + (1 - weight) * texts) for each class.

    Args:
        texts: unit prototypes `[L, D]` of the texts, anything finite where the weight is 1.
        pictures: unit prototypes `[L, D]` of the pictures, anything finite where the weight is 0.
        weights: `[L]` as above.
        shared_space: whether texts and pictures lie near enough for a single class with pictures not to be moved.

    Raises:
        ValueError: too few classes with pictures to move them.
    """
    if too_few_to_move(weights, shared_space=shared_space):
        raise ValueError(f"at least {LEAST_PICTURED} classes must have pictures for these to be moved to the texts")
    if _is_mixed(weights) and np.count_nonzero(weights) >= LEAST_PICTURED:
        gap = texts[weights < 1].mean(axis=0) - pictures[weights > 0].mean(axis=0)
        pictures = unit(pictures + gap)
    parts = weights.astype(np.float32)[:, None]
    return unit(parts * pictures + (1 - parts) * texts)


def _is_mixed(weights: Floats) -> bool:
    return bool((weights > 0).any() and (weights < 1).any())
