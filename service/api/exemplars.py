"""Example pictures on the wire: base64, or a reference to one that is stored."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from service.api.bodies import from_base64
from service.errors import FieldProblem, ImageError, InvalidFields

REFERENCE = "sha256:"
MOST_PROBLEMS = 50
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Exemplars:
    """`digests` of each class's pictures, and the `data` of those that were sent, by digest."""

    digests: tuple[tuple[str, ...], ...]
    data: Mapping[str, bytes]

    @classmethod
    def read(cls, images: Sequence[Sequence[str]], check: Callable[[bytes], object]) -> "Exemplars":
        """From each class's pictures as they were sent; `check` raises ImageError for one that cannot be decoded.

        Raises InvalidFields, naming every bad one.
        """
        data: dict[str, bytes] = {}
        digests: list[tuple[str, ...]] = []
        problems: list[FieldProblem] = []
        for place, sent in enumerate(images):
            found = []
            for number, text in enumerate(sent):
                try:
                    found.append(_read(f"classes[{place}].images[{number}]", text, check, data))
                except InvalidFields as error:
                    problems.extend(error.problems)
            digests.append(tuple(found))
            if len(problems) >= MOST_PROBLEMS:  # each may have taken a decoder's whole time
                break
        if problems:
            raise InvalidFields(*problems[:MOST_PROBLEMS])
        return cls(tuple(digests), data)


def reference_to(sha256: str) -> str:
    return REFERENCE + sha256


def _read(field: str, text: str, check: Callable[[bytes], object], data: dict[str, bytes]) -> str:
    """The picture's digest; its bytes, if they were sent and can be decoded, are put into `data`."""
    if text.startswith(REFERENCE):
        digest = text.removeprefix(REFERENCE)
        if not _DIGEST.fullmatch(digest):
            raise InvalidFields(FieldProblem(field, f"must be {REFERENCE} and 64 hexadecimal digits in lower case"))
        return digest
    picture = from_base64(field, text)
    digest = hashlib.sha256(picture).hexdigest()
    if digest not in data:
        try:
            check(picture)
        except ImageError as error:
            raise InvalidFields(FieldProblem(field, error.detail)) from None
        data[digest] = picture
    return digest
