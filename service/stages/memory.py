"""What is known of pictures that were seen before, within a number of bytes: the least recently used is forgotten."""

import hashlib
import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, cast

from service.stages.pieces import KINDS, Kind, Piece, Value

NAMES_BYTES = 64  # of an object's attributes, where they are not slots; asking for its __dict__ would make it one
ENTRY_BYTES = 400  # of an entry besides its key and value: its place in the order, counters, the allocator's loss


@dataclass(frozen=True)
class Lookups:
    """How often something was known when it was asked for, and how often not."""

    hits: int = 0
    misses: int = 0


@dataclass(frozen=True)
class MemoryState:
    """How much is kept, of how much at most (0: nothing), and the `lookups` of each kind of piece."""

    entries: int
    bytes: int
    max_bytes: int
    lookups: Mapping[Kind, Lookups]


class Memory:
    """One recognizer's, for all threads. Kept values are shared and must not be changed.

    Args:
        max_bytes: of all keys and values, as good as can be told; 0 keeps nothing.
        models: names and revisions of all that what is kept depends on.
    """

    def __init__(self, max_bytes: int, models: Sequence[str]) -> None:
        self.max_bytes = max_bytes
        self._models = hashlib.sha256(repr(tuple(models)).encode())
        self._lock = threading.Lock()
        self.forget()

    @property
    def is_on(self) -> bool:
        return self.max_bytes > 0

    def name_of(self, data: bytes) -> bytes:
        """SHA-256 of the models and an encoded picture; milliseconds for large ones. Empty where nothing is kept."""
        if not self.is_on:
            return b""
        digest = self._models.copy()
        digest.update(data)
        return digest.digest()

    def recall(self, picture: bytes, piece: Piece[Value]) -> Value | None:
        """What is known of the picture of that name; None where that is not known, and for an empty name."""
        if not picture or not self.is_on:
            return None
        with self._lock:
            entry = self._entries.get((picture, piece))
            if entry is None:
                self._misses[piece.kind] += 1
                return None
            self._hits[piece.kind] += 1
            self._entries.move_to_end((picture, piece))
            return cast(Value, entry[0])

    def knows(self, picture: bytes, piece: Piece[Any]) -> bool:
        """Whether it could be recalled; no use, and no lookup that counts."""
        with self._lock:
            return (picture, piece) in self._entries

    def keep(self, picture: bytes, piece: Piece[Value], value: Value) -> None:
        """For as long as there is space for it; what takes more than all of it is not kept, nor what has no name."""
        size = ENTRY_BYTES + size_of(picture) + size_of(piece) + size_of(value)
        if size > self.max_bytes or not picture:
            return
        with self._lock:
            _, old = self._entries.pop((picture, piece), (None, 0))
            self._entries[picture, piece] = value, size
            self._bytes += size - old
            while self._bytes > self.max_bytes:
                _, (_, freed) = self._entries.popitem(last=False)
                self._bytes -= freed

    def forget(self) -> None:
        """All that is kept, and how often it was asked for."""
        with self._lock:
            self._entries: OrderedDict[tuple[bytes, Piece[Any]], tuple[Any, int]] = OrderedDict()
            self._bytes = 0
            self._hits: dict[Kind, int] = dict.fromkeys(KINDS, 0)
            self._misses: dict[Kind, int] = dict.fromkeys(KINDS, 0)

    def state(self) -> MemoryState:
        with self._lock:
            lookups = {kind: Lookups(self._hits[kind], self._misses[kind]) for kind in KINDS}
            return MemoryState(len(self._entries), self._bytes, self.max_bytes, lookups)


def size_of(value: Any) -> int:
    """Bytes that a value takes with all its parts; of an array that owns its numbers, these too."""
    size = sys.getsizeof(value)
    if isinstance(value, tuple):
        return size + sum(map(size_of, value))
    own, parts = _attributes(value.__class__)
    return size + own + sum([size_of(getattr(value, name)) for name in parts])


@cache
def _attributes(kind: type) -> tuple[int, tuple[str, ...]]:
    """What an object of that kind takes for its attributes besides their values, and the attributes' names."""
    if not is_dataclass(kind):
        return 0, ()
    return NAMES_BYTES if kind.__dictoffset__ else 0, tuple(field.name for field in fields(kind))
