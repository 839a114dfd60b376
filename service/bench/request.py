"""What the load generator sends: a picture that nobody sent before, as a form or as base64 in JSON."""

import base64
import itertools
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BOUNDARY = "a-boundary-that-no-picture-holds"
JPEG_START = b"\xff\xd8"
RUN = uuid.uuid4().hex
_numbers = itertools.count()


@dataclass(frozen=True)
class Request:
    """Where to send what; the last three are lists to go round in.

    form: `multipart`, a picture `image` with `fields`; `embeddings`, a data URI in OpenAI's manner with `fields`.
    fields: of each request. pictures: JPEG files. distinct: give each request bytes of its own. expects: a text that
    every good answer holds. headers: besides the usual ones, such as a key's.
    """

    url: str
    pictures: Sequence[str]
    fields: Sequence[Mapping[str, Any]] = field(default_factory=lambda: ({},))
    form: str = "multipart"
    distinct: bool = True
    expects: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.form not in ("multipart", "embeddings") or not self.pictures or not self.fields:
            raise ValueError(f"a request needs a known form, pictures and fields, not {self.form!r}")

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "127.0.0.1", parts.port or 80

    def messages(self) -> Iterator[bytes]:
        """Whole HTTP/1.1 requests, without end."""
        jpegs = [Path(name).read_bytes() for name in self.pictures]
        make = _multipart if self.form == "multipart" else _embeddings
        pairs = zip(itertools.cycle(jpegs), itertools.cycle(self.fields))
        for jpeg, fields in pairs:
            picture = unlike_others(jpeg, f"{RUN}-{next(_numbers)}") if self.distinct else jpeg
            media_type, body = make(picture, fields)
            yield self._head(media_type, len(body)) + body

    def _head(self, media_type: str, length: int) -> bytes:
        parts = urlsplit(self.url)
        lines = (
            f"POST {parts.path or '/'} HTTP/1.1",
            f"host: {parts.netloc}",
            f"content-type: {media_type}",
            f"content-length: {length}",
            "accept: application/json",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        )
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def unlike_others(jpeg: bytes, mark: str) -> bytes:
    """The same picture in other bytes: `mark` as a comment right behind the start of the file."""
    if not jpeg.startswith(JPEG_START):
        raise ValueError("not a JPEG")
    comment = mark.encode()
    return JPEG_START + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


def _multipart(picture: bytes, fields: Mapping[str, Any]) -> tuple[str, bytes]:
    parts = [f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in
             fields.items()]  # fmt: skip
    parts.append(
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="image"; filename="picture.jpg"\r\n'
        "content-type: image/jpeg\r\n\r\n"
    )
    body = b"".join(("".join(parts).encode(), picture, f"\r\n--{BOUNDARY}--\r\n".encode()))
    return f"multipart/form-data; boundary={BOUNDARY}", body


def _embeddings(picture: bytes, fields: Mapping[str, Any]) -> tuple[str, bytes]:
    uri = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
    return "application/json", json.dumps({**fields, "input": [uri]}).encode()
