"""Class prototypes: the unit mean of each class's prompt embeddings (L2R2, section 4.3), and of its example pictures.

How pictures and texts are weighed and moved together depends on the whole list and costs nothing; it is done when a
list is loaded. Stored are both means of each class, so that lists are built in chunks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.datasets.fingerprints import fingerprint, version_of
from service.datasets.records import Compare, Dataset
from service.datasets.spec import ClassEntry, DatasetSpec
from service.models.ports import PromptSet
from service.recognition.exemplars import exemplar_prototypes, picture_prototype
from service.recognition.scoring import prototypes

Floats = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Floats]
EmbedPicture = Callable[[bytes, PromptSet], Floats]
TEXTS_PER_PICTURE = 16  # a picture is located and seen twice, which takes the time of about so many texts


@dataclass(frozen=True)
class DatasetEncoder:
    """The part of an encoder that a dataset needs.

    embed: unit embeddings `[N, D]` of texts. embed_picture: unit embedding `[D]` of a picture's bytes whose object the
    prompts name (None: the service takes no example pictures). picture_revision: changes whenever that embedding may
    change for another reason than the encoder (the localizer). shared_space: whether texts and pictures lie near enough
    for a single class with pictures among names. resident: takes prototypes `[L, D]` to where views are compared with
    them (None: the CPU).
    """

    name: str
    revision: str
    embed: Embed
    embed_picture: EmbedPicture | None = None
    picture_revision: str = ""
    shared_space: bool = True
    resident: Callable[[Floats], Compare] | None = None

    @property
    def revisions(self) -> tuple[str, str]:
        """Under which the prototypes of a list of names and of a list with pictures are stored."""
        return self.revision, f"{self.revision}+{fingerprint({'pictures': self.picture_revision})[:16]}"

    def serves(self, spec: DatasetSpec) -> bool:
        return spec.encoder in (None, self.name)

    def dataset_of(self, version: str, spec: DatasetSpec, rows: Floats) -> Dataset:
        """Ready to answer, from its prototypes `[L, D]`."""
        return Dataset(version, spec, spec.labels, rows, self.resident(rows) if self.resident else None)


def has_pictures(spec: DatasetSpec) -> bool:
    return any(entry.pictures for entry in spec.classes)


def work_of(spec: DatasetSpec, entry: ClassEntry) -> int:
    """Time to embed one class, in texts."""
    return spec.text_count(entry) + (TEXTS_PER_PICTURE - 1) * len(entry.pictures)


def picture_weights(spec: DatasetSpec) -> Floats:
    """`[L]`, 0 for a class without pictures."""
    return np.array([entry.picture_weight if entry.pictures else 0.0 for entry in spec.classes], np.float32)


def class_prototypes(spec: DatasetSpec, entries: Sequence[ClassEntry], embed: Embed) -> Floats:
    """Prototypes `[C, D]` of the texts of some of a dataset's classes; `embed` gives unit embeddings `[N, D]`."""
    texts = [spec.texts(entry) for entry in entries]
    rows = embed([text for group in texts for text in group])
    if len({len(group) for group in texts}) == 1:
        return prototypes(rows.reshape(len(texts), len(texts[0]), -1))
    ends = np.cumsum([len(group) for group in texts])
    return np.concatenate([prototypes(part[None]) for part in np.split(rows, ends[:-1])])


def class_rows(
    spec: DatasetSpec, entries: Sequence[ClassEntry], embed: Embed, embed_example: Callable[[str], Floats]
) -> Floats:
    """What is stored of some classes: prototypes `[C, D]`; of a list with pictures `[C, 2 * D]`, of the texts and of
    the pictures, zeros for what a class has none of. `embed_example` gives the unit embedding `[D]` for a digest."""
    if not has_pictures(spec):
        return class_prototypes(spec, entries, embed)
    named, pictured = [entry for entry in entries if entry.is_named], [entry for entry in entries if entry.pictures]
    sides: dict[int, Floats] = {}
    if named:
        sides[0] = class_prototypes(spec, named, embed)
    if pictured:
        examples = [np.stack([embed_example(digest) for digest in entry.pictures]) for entry in pictured]
        sides[1] = np.stack([picture_prototype(embeddings) for embeddings in examples])
    rows = np.zeros((len(entries), 2, next(iter(sides.values())).shape[1]), np.float32)
    there = [[entry.is_named for entry in entries], [bool(entry.pictures) for entry in entries]]
    for side, vectors in sides.items():
        rows[np.array(there[side]), side] = vectors
    return rows.reshape(len(entries), -1)


def from_rows(spec: DatasetSpec, rows: Floats, *, shared_space: bool) -> Floats:
    """A whole list's prototypes `[L, D]` from what is stored of it.

    Raises:
        ValueError: too few classes with pictures among those without, where texts and pictures lie far apart.
    """
    if not has_pictures(spec):
        return rows
    parts = rows.reshape(len(rows), 2, -1)
    return exemplar_prototypes(parts[:, 0], parts[:, 1], picture_weights(spec), shared_space=shared_space)


def unsaved_dataset(spec: DatasetSpec, embed: Embed) -> Dataset:
    """A dataset of names that lives in memory alone. Raises: ValueError, for classes with pictures."""
    if has_pictures(spec):
        raise ValueError("example pictures are kept with a registered dataset")
    return Dataset(version_of(spec), spec, spec.labels, class_prototypes(spec, spec.classes, embed))
