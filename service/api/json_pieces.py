"""JSON is parsed in pieces. One call of a parser, whichever it is, keeps Python's lock until it is through; between
pieces the event loop answers others. What a document holds is counted on the way, and too much of it is refused."""

import json
import re
from dataclasses import dataclass
from typing import Any

from service.errors import BadRequest

PIECE_BYTES = 2**14
MOST_DEPTH = 64
MOST_CONTAINERS = 500_000  # 100,000 classes or labelled pictures have up to three each
MOST_VALUES = 5_000_000  # as many numbers of six characters as the largest body allowed by default holds
MOST_ESCAPES = 2**20  # of one string: some write each slash of base64 as one
# Several short values with their commas, or what stands between longer ones, or a bracket, or where a string begins.
# All repeats are bounded and never tried again, so that the time is linear in the length.
_SHORT = rb'"[^"\\]{0,1000}+(?:\\.[^"\\]{0,1000}+){0,50}+"'
_VALUES = rb'(?:(?:%b|[^"\[\]{},]{1,200}+){1,5}+,){1,256}+' % _SHORT
_TOKEN = re.compile(_VALUES + rb'|[^"\[\]{}]{1,%d}+|["\[\]{}]' % PIECE_BYTES, re.DOTALL)
_CLOSING = {b"[": b"]", b"{": b"}"}
_OPENING = tuple(_CLOSING)
NOT_JSON = "the body is not valid JSON"
BLANK, BACKSLASH = b" \t\r\n", ord("\\")


def _loads(piece: bytes) -> Any:
    """Of UTF-8 alone: json.loads would take UTF-16 too, of whose brackets and commas the tokens know nothing."""
    return json.loads(piece.decode("utf-8", "surrogatepass"))


class Malformed(ValueError):
    pass


@dataclass
class _Open:
    """A list or object that has not ended. `key`: where its name in the object around it may stand. Of its content the
    bytes up to `done` are in `built`, None while there are none; `follows`: the last of them is a list or object that
    was built by itself, and only a comma or the end may come next."""

    bracket: bytes
    start: int
    key: tuple[int, int]
    done: int
    built: list[Any] | dict[str, Any] | None = None
    follows: bool = False


def parse(body: bytes, most_containers: int = MOST_CONTAINERS, most_values: int = MOST_VALUES) -> Any:
    """What json.loads gives of it.

    Raises:
        BadRequest: it is no JSON, or holds more lists and objects, or values separated by commas, than are allowed.
    """
    try:
        return Pieces(body, most_containers, most_values).document()
    except (ValueError, RecursionError):
        raise BadRequest(NOT_JSON) from None


class Pieces:
    """A list or object is built of pieces where it has many; what is shorter than one is part of another's."""

    def __init__(self, body: bytes, most_containers: int, most_values: int, piece_bytes: int = PIECE_BYTES) -> None:
        self._body, self._piece_bytes = body, piece_bytes
        self._most_containers, self._most_values = most_containers, most_values
        self._containers = self._values = 0
        self._open: list[_Open] = []
        self._root = _Open(b"[", 0, (0, 0), 0)

    def document(self) -> Any:
        """Raises ValueError, RecursionError, BadRequest."""
        body, place, string = self._body, 0, (0, 0)
        while token := _TOKEN.match(body, place):
            start, place = token.span()
            first = body[start : start + 1]
            if first in _OPENING:
                self._begin(first, start, string)
            elif first in (b"]", b"}"):
                self._end(first, start)
            elif first == b'"' and place == start + 1:
                if string[1] and start - string[1] < 100 and not body[string[1] : start].strip(BLANK):
                    raise Malformed
                string = start, self._string_end(start)
                place = string[1]
            else:
                self._separate(start, place)
        if self._open:
            raise Malformed
        if self._root.built is None:
            return _loads(body)
        self._check_blank(self._root.done, len(body))
        [document] = self._root.built
        return document

    def _string_end(self, start: int) -> int:
        end = start
        for _ in range(MOST_ESCAPES):
            end = self._body.find(b'"', end + 1)
            if end < 0:
                raise Malformed
            slash = end
            while self._body[slash - 1] == BACKSLASH and end - slash <= MOST_ESCAPES:
                slash -= 1
            if (end - slash) % 2 == 0:
                break
        if self._body.count(b"\\", start, end) > MOST_ESCAPES:
            raise BadRequest(f"a string of the body holds more escapes than the {MOST_ESCAPES} that are allowed")
        return end + 1

    def _begin(self, bracket: bytes, start: int, string: tuple[int, int]) -> None:
        self._containers += 1
        if self._containers > self._most_containers:
            raise BadRequest(f"the body holds more lists and objects than the {self._most_containers} that are allowed")
        if len(self._open) >= MOST_DEPTH:
            raise Malformed
        self._open.append(_Open(bracket, start, string, start + 1))

    def _separate(self, start: int, end: int) -> None:
        """What may hold commas: of the values that are short, or between longer ones."""
        commas = self._body.count(b",", start, end)
        if not commas:
            return
        self._values += commas
        if self._values > self._most_values:
            raise BadRequest(f"the body holds more values than the {self._most_values} that are allowed")
        if not self._open:
            raise Malformed
        inner = self._open[-1]
        if inner.follows:
            self._check_blank(inner.done, self._body.index(b",", start, end))
            inner.done, inner.follows = self._body.index(b",", start, end) + 1, False
        last = self._body.rindex(b",", start, end)
        if last - inner.done >= self._piece_bytes:
            self._build(inner, last)
            inner.done = last + 1

    def _end(self, bracket: bytes, end: int) -> None:
        if not self._open or _CLOSING[self._open[-1].bracket] != bracket:
            raise Malformed
        ended = self._open.pop()
        if ended.built is None:
            return
        if ended.follows:
            self._check_blank(ended.done, end)
        else:
            self._build(ended, end)
        self._put(self._open[-1] if self._open else self._root, ended, end)

    def _put(self, outer: _Open, ended: _Open, end: int) -> None:
        """Into what it stands in, after what comes before it."""
        is_list = outer.bracket == b"["
        begins = ended.start if is_list else ended.key[0]
        comma = self._body.rfind(b",", outer.done, begins)
        if outer.follows or begins < outer.done:
            raise Malformed
        self._check_blank(max(outer.done, comma + 1), begins)
        if comma >= 0:
            self._build(outer, comma)
        elif outer.built is None:
            outer.built = [] if is_list else {}
        if isinstance(outer.built, dict):
            if self._body[ended.key[1] : ended.start].strip(BLANK) != b":":
                raise Malformed
            outer.built[_loads(self._body[slice(*ended.key)])] = ended.built
        elif outer.built is not None:
            outer.built.append(ended.built)
        outer.done, outer.follows = end + 1, True

    def _build(self, into: _Open, end: int) -> None:
        """What comes next of it, up to `end`."""
        piece = _loads(into.bracket + self._body[into.done : end] + _CLOSING[into.bracket])
        if not piece:
            raise Malformed  # a comma without a value
        if into.built is None:
            into.built = piece
        elif isinstance(into.built, dict):
            into.built.update(piece)
        else:
            into.built.extend(piece)

    def _check_blank(self, start: int, end: int) -> None:
        if self._body[start:end].strip(BLANK):
            raise Malformed
