"""A decoder process that does to a picture what is written behind its end: `#word argument`.

Run as the supervisor runs the real one: the last two arguments are the socket and the memory.
"""

import os
import sys
from pathlib import Path

from service.images import DEFAULT_LIMITS, ImageLimits, Picture, decode
from service.images.worker import run

DESCRIPTOR, MEMORY_BYTES = (int(number) for number in sys.argv[-2:])


def bad_decode(data: bytes, limits: ImageLimits = DEFAULT_LIMITS, small_only: bool = False) -> Picture:
    picture, _, order = data.rpartition(b"#")
    word, _, argument = order.partition(b" ")
    if word == b"hang":
        while True:
            pass
    if word == b"abort":
        os.abort()
    if word == b"abort-once":  # the file says that it was done
        mark = Path(os.fsdecode(argument))
        if not mark.exists():
            mark.touch()
            os.abort()
    if word == b"exit":
        os._exit(3)
    if word == b"raise":
        raise KeyError(argument.decode())
    if word == b"eat":
        bytearray(MEMORY_BYTES)
    if word == b"say":  # as a decoder that is in a stranger's hands
        os.write(DESCRIPTOR, bytes.fromhex(argument.decode()))
    return decode(picture or data, limits, small_only)


if __name__ == "__main__":
    run(DESCRIPTOR, MEMORY_BYTES, bad_decode)
