"""JSON in pieces is the JSON of the standard library, whatever is cut where."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.json_pieces import MOST_ESCAPES, Pieces, parse
from service.errors import BadRequest

DAMAGE = (b"", b",", b"[", b"]", b"{", b"}", b'"', b":", b"1", b"\\", b" ")
WRONG: object = object()
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text('",\\[{ab', max_size=3), inner, max_size=6),
    max_leaves=60,
)
layouts = st.tuples(st.sampled_from([None, 1]), st.sampled_from([(",", ":"), (" , ", " : ")]), st.booleans())
noise = st.lists(st.sampled_from([*'[]{},:"\\ 1a', "[]", "{}", '"a":', '"a"', "null", "\\u0041", '\\"']), max_size=40)


def loaded(read: Callable[[bytes], Any], body: bytes) -> Any:
    try:
        return read(body)
    except (ValueError, RecursionError, BadRequest):
        return WRONG


def in_pieces(piece_bytes: int) -> Callable[[bytes], Any]:
    return lambda body: Pieces(body, 10_000, 10_000, piece_bytes).document()


@given(documents, layouts, st.integers(0, 40))
def test_a_document_is_what_the_standard_library_reads(document: Any, layout: tuple[Any, Any, bool], size: int) -> None:
    indent, separators, ascii_alone = layout
    body = json.dumps(document, indent=indent, separators=separators, ensure_ascii=ascii_alone)
    assert in_pieces(size)(body.encode("utf-8", "surrogatepass")) == document


@given(noise, st.integers(0, 8))
def test_what_is_no_document_there_is_none_here(parts: list[str], size: int) -> None:
    body = "".join(parts).encode()
    assert loaded(in_pieces(size), body) == loaded(json.loads, body)


@given(documents, st.data(), st.integers(0, 8))
def test_what_was_damaged_is_refused_as_there(document: Any, data: st.DataObject, size: int) -> None:
    body = bytearray(json.dumps(document).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body)))
        kept = data.draw(st.integers(place, min(place + 2, len(body))))
        body[place:kept] = data.draw(st.sampled_from(DAMAGE))
    assert loaded(in_pieces(size), bytes(body)) == loaded(json.loads, bytes(body))


def test_of_a_name_given_twice_the_last_counts_wherever_the_cuts_are() -> None:
    body = b'{"a": [1, 2], "b": 1, "a": {"b": [3, 4]}, "b": [5, 6], "c": 1}'
    for size in range(len(body)):
        assert in_pieces(size)(body) == {"a": {"b": [3, 4]}, "b": [5, 6], "c": 1}


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b"[" * 100 + b"]" * 100, b'{"a":' * 100_000, b"", b" ", b'"', b"[1]]", b"[1,]" * 9, b"\xff", b"1,",
     b"[" + b"1," * 20_000 + b"]", b"[" + b"1," * 20_000 + b"1],", b'"' + b'\\"' * 10**6, b"9" * 5000],
)  # fmt: skip
def test_what_is_no_json_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest, match="not valid JSON"):
        parse(body)


def test_what_holds_too_much_is_told_of_how_much() -> None:
    assert parse(b"[[],[{}]]", 4, 1) == [[], [{}]]
    with pytest.raises(BadRequest, match="more lists and objects than the 3 that are allowed"):
        parse(b"[[],[{}]]", 3)
    with pytest.raises(BadRequest, match="more values than the 1 that are allowed"):
        parse(b'{"a":1,"b":2,"c":3}', most_values=1)
    assert parse(b'["[[[","{{{"]', 1, 1) == ["[[[", "{{{"]


def test_a_string_may_be_escaped_a_million_times() -> None:
    escaped = b'"' + b"\\/a" * MOST_ESCAPES + b'"'
    assert parse(escaped) == "/a" * MOST_ESCAPES
