"""Class prototypes: the unit mean of each class's prompt embeddings (L2R2, section 4.3)."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from service.datasets.fingerprints import version_of
from service.datasets.records import Dataset
from service.datasets.spec import ClassEntry, DatasetSpec
from service.recognition.scoring import prototypes

Floats = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Floats]


def class_prototypes(spec: DatasetSpec, entries: Sequence[ClassEntry], embed: Embed) -> Floats:
    """Prototypes `[C, D]` of some of a dataset's classes; `embed` gives unit embeddings `[N, D]` of texts."""
    texts = [spec.texts(entry) for entry in entries]
    rows = embed([text for group in texts for text in group])
    if len({len(group) for group in texts}) == 1:
        return prototypes(rows.reshape(len(texts), len(texts[0]), -1))
    ends = np.cumsum([len(group) for group in texts])
    return np.concatenate([prototypes(part[None]) for part in np.split(rows, ends[:-1])])


def unsaved_dataset(spec: DatasetSpec, embed: Embed) -> Dataset:
    """A dataset that lives in memory alone."""
    return Dataset(version_of(spec), spec, spec.labels, class_prototypes(spec, spec.classes, embed))
