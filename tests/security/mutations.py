"""Valid bytes, damaged in ways that get past the first look: what hypothesis draws, and how it is applied."""

import zlib
from collections.abc import Sequence

from hypothesis import strategies as st

EXTREMES = [
    b"\0" * 4,
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x80",
    b"\0\0\0\1",
    b"\1\0\0\0",
]
PLACES = st.one_of(st.integers(0, 64), st.integers(0, 600), st.integers(0, 2**20))
SPANS = st.one_of(st.integers(1, 8), st.integers(1, 400))
EDITS = st.one_of(
    st.tuples(st.just("flip"), PLACES, st.integers(0, 7)),
    st.tuples(st.just("length"), PLACES, st.sampled_from(EXTREMES)),
    st.tuples(st.just("insert"), PLACES, st.binary(max_size=12)),
    st.tuples(st.just("delete"), PLACES, SPANS),
    st.tuples(st.just("double"), PLACES, SPANS),
    st.tuples(st.just("swap"), PLACES, PLACES),
    st.tuples(st.just("cut"), PLACES, st.just(0)),
)
Edit = tuple[str, int, int | bytes]


def mutated(data: bytes, edits: Sequence[Edit]) -> bytes:
    for kind, place, more in edits:
        at = place % max(1, len(data))
        data = _edited(data, kind, at, more)
    return data


def _edited(data: bytes, kind: str, at: int, more: int | bytes) -> bytes:
    if isinstance(more, bytes):
        return data[:at] + more + data[at + (len(more) if kind == "length" else 0) :]
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ 1 << more]) + data[at + 1 :] if data else data
    if kind == "delete":
        return data[:at] + data[at + more :]
    if kind == "double":
        return data[: at + more] + data[at : at + more] + data[at + more :]
    if kind == "cut":
        return data[:at]
    to = more % max(1, len(data))
    first, last = min(at, to), max(at, to)
    return (
        data[:first] + data[last : last + 16] + data[first + 16 : last] + data[first : first + 16] + data[last + 16 :]
    )


def spliced(first: bytes, second: bytes, place: int) -> bytes:
    """The beginning of one and the end of the other."""
    return first[: place % max(1, len(first))] + second[place % max(1, len(second)) :]


def with_right_checksums(data: bytes) -> bytes:
    """Damage in a PNG behind right checksums gets past the first gate."""
    out, at = bytearray(data), 8
    while at + 12 <= len(data) and (end := at + 12 + int.from_bytes(data[at : at + 4])) <= len(data):
        out[end - 4 : end] = zlib.crc32(data[at + 4 : end - 4]).to_bytes(4)
        at = end
    return bytes(out)
