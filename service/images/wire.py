"""What the service and its decoder processes say to each other: heads of a fixed size, then so many raw bytes.

A process that has read a stranger's bytes may be in the stranger's hands: nothing that it sends is run or unpickled,
and every number is checked before it is used.
"""

import json
import socket
import struct
import time
from dataclasses import asdict, dataclass

from service.errors import ImageError, ImageTooLarge, ImageTruncated, ImageUnreadable, ImageUnsupported
from service.images.picture import ImageLimits

READY = b"R"  # a decoder's first word
REQUEST = struct.Struct("<IQ")  # bytes of the order (JSON), bytes of the picture
ANSWER = struct.Struct("<BB4I")  # kind; which refusal; rows, columns, width, height of a picture, or bytes of a text
PICTURE, LARGE, REFUSAL, NO_MEMORY, FAILURE = range(5)
REFUSALS: tuple[type[ImageError], ...] = (ImageUnreadable, ImageTruncated, ImageTooLarge, ImageUnsupported)
MOST_TEXT_BYTES = 4096


class Gone(Exception):
    """The other side has closed its end."""


@dataclass(frozen=True)
class Order:
    """How to decode one picture. limit_s: after so long the decoder ends itself, should nobody be there to do it."""

    limits: ImageLimits
    small_only: bool
    limit_s: float

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, order: bytes) -> "Order":
        given = json.loads(order)
        limits = given["limits"]
        return cls(
            ImageLimits(**{**limits, "formats": tuple(limits["formats"])}), given["small_only"], given["limit_s"]
        )


def send(end: socket.socket, part: bytes | memoryview, until_s: float | None = None) -> None:
    """All of it. Raises Gone, and TimeoutError where it is not done at `until_s` of the monotonic clock."""
    _wait_at_most(end, until_s)
    try:
        end.sendall(part)
    except ConnectionError:
        raise Gone from None


def receive(end: socket.socket, count: int, until_s: float | None = None) -> bytes:
    """Just so many bytes. Raises Gone, TimeoutError."""
    received = bytearray(count)
    receive_into(end, memoryview(received), until_s)
    return bytes(received)


def receive_into(end: socket.socket, place: memoryview, until_s: float | None = None) -> None:
    """As many bytes as the `place` has. Raises Gone, TimeoutError."""
    while place:
        _wait_at_most(end, until_s)
        try:
            count = end.recv_into(place)
        except ConnectionError:
            raise Gone from None
        if not count:
            raise Gone
        place = place[count:]


def _wait_at_most(end: socket.socket, until_s: float | None) -> None:
    if until_s is None:
        return
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    end.settimeout(left_s)
