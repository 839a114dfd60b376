"""The process that decodes strangers' pictures: `python -m service.images.worker FD MEMORY_BYTES`.

It is told no secret, can write to no file, has only so much memory, and ends when the socket FD is closed.
"""

import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import AvifImagePlugin

from service.errors import ImageError
from service.images.decode import Decode, decode
from service.images.memory import LargePicture
from service.images.picture import Picture
from service.images.wire import (
    ANSWER,
    FAILURE,
    LARGE,
    MOST_TEXT_BYTES,
    NO_MEMORY,
    PICTURE,
    READY,
    REFUSAL,
    REFUSALS,
    REQUEST,
    Gone,
    Order,
    receive,
    send,
)

MOST_FILES = 32
MOST_THREADS = 4  # of one picture, as libheif takes; by itself libavif would take one for each processor
FIRST_TO_END = "1000"  # where memory runs out, the system ends this process and not the service


def run(descriptor: int, memory_bytes: int, decode: Decode = decode) -> None:
    """Decode what is sent until the other side closes."""
    for ignored in (signal.SIGINT, signal.SIGTERM):  # meant for the service, which may still want pictures decoded
        signal.signal(ignored, signal.SIG_IGN)
    end = socket.socket(fileno=descriptor)
    end.setblocking(True)
    _confine(memory_bytes)
    with suppress(Gone):
        send(end, READY)
        while True:
            _serve(end, decode)


def _confine(memory_bytes: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # what codecs print about strangers' files belongs into no log
    os.close(nowhere)
    AvifImagePlugin.DEFAULT_MAX_THREADS = MOST_THREADS
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_END, encoding="ascii")
    # Of the address space much is libraries' code and never touched
    memory = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    limits = {memory: memory_bytes, resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0}
    for limit, most in (limits | {resource.RLIMIT_NOFILE: MOST_FILES}).items():
        with suppress(OSError, ValueError):  # a lower one is set already, or the system has none such
            resource.setrlimit(limit, (most, most))


def _serve(end: socket.socket, decode: Decode) -> None:
    """One picture. Raises Gone."""
    order_bytes, data_bytes = REQUEST.unpack(receive(end, REQUEST.size))
    order = Order.from_bytes(receive(end, order_bytes))
    data = receive(end, data_bytes)
    # Kept by the system, also while a codec hangs: its default is to end the process
    signal.setitimer(signal.ITIMER_REAL, order.limit_s)
    try:
        picture = decode(data, order.limits, order.small_only)
    except LargePicture:
        _answer(end, LARGE)
    except ImageError as error:
        memory = isinstance(error.__cause__, MemoryError)
        which = next(place for place, kind in enumerate(REFUSALS) if isinstance(error, kind))
        _answer(end, NO_MEMORY if memory else REFUSAL, which, error.detail)
    except MemoryError:
        _answer(end, NO_MEMORY)
    except Exception as error:  # noqa: BLE001  the service is to know what it was
        _answer(end, FAILURE, 0, f"{type(error).__name__}: {error}")
    else:
        _show(end, picture)


def _answer(end: socket.socket, kind: int, which: int = 0, text: str = "") -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
    encoded = text.encode(errors="replace")[:MOST_TEXT_BYTES]
    send(end, ANSWER.pack(kind, which, len(encoded), 0, 0, 0) + encoded)


def _show(end: socket.socket, picture: Picture) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
    rows, columns = picture.rgb.shape[:2]
    send(end, ANSWER.pack(PICTURE, 0, rows, columns, picture.width, picture.height))
    send(end, np.ascontiguousarray(picture.rgb).data.cast("B"))


if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]))
