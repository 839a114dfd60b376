"""From embeddings to probabilities over a closed list of classes (L2R2, sections 3.2 and 4.3), in float32."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
PEAK_OF = 64  # scores that share one peak in the search for the largest


def unit(vectors: Floats) -> Floats:
    """`vectors [..., D]` divided by their lengths; a vector of zeros stays zero."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Floats = (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return scaled


def prototypes(embeddings: Floats) -> Floats:
    """Class prototypes `[L, D]` from unit text embeddings `[L, T, D]`: mean over the T prompts, unit again."""
    return unit(embeddings.mean(axis=1))


def class_logits(view_embeddings: Floats, class_prototypes: Floats, logit_scale: float) -> Floats:
    """`[V, L]` scaled cosines of unit `view_embeddings [V, D]` and unit `class_prototypes [L, D]`."""
    logits: Floats = np.float32(logit_scale) * (view_embeddings @ class_prototypes.T)
    return logits


def softmax(logits: Floats) -> Floats:
    """Probabilities along the last axis; shifting all logits of a row by a number changes nothing."""
    powers: Floats = logits - logits.max(axis=-1, keepdims=True)
    np.exp(powers, out=powers)
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def top_k(scores: Floats, k: int) -> NDArray[np.intp]:
    """Indices of the `k` largest of `scores [L]`, best first, of equals the lower index first (all if L < k)."""
    k = min(k, scores.size)
    places = _contenders(scores, k)
    rivals = scores[places]
    threshold = np.partition(rivals, rivals.size - k)[rivals.size - k]
    above, at = places[rivals > threshold], places[rivals == threshold]
    chosen = np.sort(np.concatenate([above, at[: k - above.size]]))
    return chosen[np.argsort(-scores[chosen], kind="stable")]


def _contenders(scores: Floats, k: int) -> NDArray[np.intp]:
    """Ascending places of some of `scores [L]`, all `k` largest and their equals among them.

    Where k groups of scores each have a peak, the k largest scores are no lower than the k-th largest peak.
    """
    groups = scores.size // PEAK_OF
    if groups < k:
        return np.arange(scores.size)
    peaks = scores[: groups * PEAK_OF].reshape(groups, PEAK_OF).max(axis=1)
    return np.flatnonzero(scores >= np.partition(peaks, groups - k)[groups - k])
