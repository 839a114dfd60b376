"""Which other picture gives the background: drawn by a hash, so that it depends on the seed and the pictures alone."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from service.evaluation.variants.kinds import Variant
from service.evaluation.variants.subjects import Subject

Item = TypeVar("Item")
Words = tuple[str, ...]


class Grounds:
    """Backgrounds for foregrounds. Neither its own picture nor another of the same object is one."""

    def __init__(self, subjects: Sequence[Subject], seed: int) -> None:
        self._seed = str(seed)
        self._all = sorted(subjects, key=lambda subject: subject.name)
        self._labels = sorted({one.label for one in subjects})
        self._of: dict[str, list[Subject]] = {label: [] for label in self._labels}
        for one in self._all:
            self._of[one.label].append(one)

    def choose(self, variant: Variant, subject: Subject, adversarial: int) -> list[Subject]:
        """The backgrounds of one foreground, empty where there is none.

        For the adversarial kind up to `adversarial` different ones, of which a smaller number is the beginning.
        """
        words = (self._seed, variant.name, subject.name)
        labels: Iterable[str] = [subject.label]
        if variant.ground == "others":
            return _draw(self._all, adversarial, words, lambda one: one.label != subject.label and _other(one, subject))
        if variant.ground == "random":
            # Any class is as likely, the object's own too: one left out would tell of the right one
            labels = _shuffled(self._labels, (*words, "class"))
        elif variant.ground == "next":
            labels = [self._labels[(self._labels.index(subject.label) + 1) % len(self._labels)]]
        pools = (_draw(self._of[label], 1, words, lambda one: _other(one, subject)) for label in labels)
        return next((drawn for drawn in pools if drawn), [])


def _other(one: Subject, subject: Subject) -> bool:
    return one.source != subject.source and one.file_digest != subject.file_digest


def _draw(pool: Sequence[Item], most: int, words: Words, fits: Callable[[Item], bool]) -> list[Item]:
    return list(islice(filter(fits, _shuffled(pool, words)), most))


def _shuffled(pool: Sequence[Item], words: Words) -> Iterator[Item]:
    """All of `pool` in an order drawn from `words`, at the price of as many as are taken."""
    moved: dict[int, int] = {}  # Fisher and Yates, of the list only what was touched
    for place in range(len(pool)):
        digest = hashlib.sha256("\0".join((*words, str(place))).encode()).digest()
        drawn = place + int.from_bytes(digest[:8]) % (len(pool) - place)
        yield pool[moved.get(drawn, drawn)]
        moved[drawn] = moved.get(place, place)
