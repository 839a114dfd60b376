"""One decoder process, seen from the service: started, asked, ended. For one thread at a time, but for `kill`."""

import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from service.errors import ImageError
from service.images.memory import LargePicture
from service.images.picture import ImageLimits, Picture
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
    receive_into,
    send,
)

COMMAND = (sys.executable, "-P", "-B", "-m", "service.images.worker")
ROOT = str(Path(__file__).parents[2])
START_S = 60.0
BUFFER_BYTES = 4 * 2**20  # or what the system allows: the fewer times a picture's two ends wait for each other
ORPHANS_S = 2.0  # how long a decoder whose service was killed goes on with a picture after its time
# Memory given back to the system after each picture costs as much as half the decoding
KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20)}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Fault(Exception):
    """The process is not to be used any more. `words` are for the picture's sender, the message is for the log."""

    words = "The decoder gave no sound answer to this image."


class Died(Fault):
    words = "The decoder died of this image."


class TookTooLong(Fault):
    def __init__(self, limit_s: float) -> None:
        super().__init__("too slow")
        self.words = f"The image took longer than {limit_s:g} s to decode."


class OutOfMemory(Fault):
    words = "The image takes more memory to decode than is allowed."


class Failed(Fault):
    words = "The decoder failed at this image."


@dataclass(frozen=True)
class Task:
    """A picture of the format `name` to be decoded within `limit_s`."""

    name: str
    data: bytes
    limits: ImageLimits
    small_only: bool
    limit_s: float


class DecoderProcess:
    def __init__(self, command: Sequence[str], environment: Mapping[str, str], memory_bytes: int) -> None:
        """Starts it; raises OSError. It needs a moment until it is ready."""
        self._end, its_end = socket.socketpair()
        for end in (self._end, its_end):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        self._is_ready = False
        try:
            with its_end:
                self._process = subprocess.Popen(  # noqa: S603  our own command
                    [*command, str(its_end.fileno()), str(memory_bytes)],
                    pass_fds=[its_end.fileno()],
                    env={**environment, **ONE_THREAD, **KEPT_MEMORY, "PYTHONPATH": _path()},
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                )
        except BaseException:
            self._end.close()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """For any thread."""
        return self._process.poll() is None

    def is_usable(self) -> bool:
        """Whether it lives, and has not spoken unasked."""
        if self._process.poll() is not None:
            return False
        if not self._is_ready:
            return True
        self._end.setblocking(False)
        try:
            self._end.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        return False

    def wait_ready(self, limit_s: float = START_S) -> None:
        """Raises Fault if it does not start."""
        if self._is_ready:
            return
        try:
            if receive(self._end, len(READY), time.monotonic() + limit_s) != READY:
                raise Fault("not the word of a decoder")
        except Gone:
            raise Died(self._ending()) from None
        except TimeoutError:
            raise TookTooLong(limit_s) from None
        self._is_ready = True

    def ask(self, task: Task) -> Picture | ImageError | LargePicture:
        """What comes of a picture. Raises Fault."""
        until_s = time.monotonic() + task.limit_s
        order = Order(task.limits, task.small_only, task.limit_s + ORPHANS_S).to_bytes()
        try:
            send(self._end, REQUEST.pack(len(order), len(task.data)) + order, until_s)
            send(self._end, task.data, until_s)
            return self._answer(task, until_s)
        except Gone:
            raise Died(self._ending()) from None
        except TimeoutError:
            raise TookTooLong(task.limit_s) from None

    def kill(self) -> None:
        """From any thread: who waits for its answer finds it gone."""
        self._process.kill()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._end.close()

    def _answer(self, task: Task, until_s: float) -> Picture | ImageError | LargePicture:
        kind, which, *numbers = ANSWER.unpack(receive(self._end, ANSWER.size, until_s))
        if kind == PICTURE:
            return self._picture(task, numbers, until_s)
        if kind == LARGE and task.small_only:
            return LargePicture()
        if numbers[0] > MOST_TEXT_BYTES or which >= len(REFUSALS):
            raise Fault("an answer that cannot be")
        text = receive(self._end, numbers[0], until_s).decode(errors="replace")
        text = "".join(letter if letter.isprintable() else "?" for letter in text)
        if kind == REFUSAL:
            refusal: ImageError = REFUSALS[which](text)
            return refusal
        if kind == NO_MEMORY:
            raise OutOfMemory("out of memory")
        if kind == FAILURE:
            raise Failed(text)
        raise Fault("an answer of no known kind")

    def _picture(self, task: Task, numbers: Sequence[int], until_s: float) -> Picture:
        rows, columns, width, height = numbers
        if not (0 < rows <= height and 0 < columns <= width and width * height <= task.limits.max_pixels):
            raise Fault(f"a picture that cannot be: {columns} x {rows} of {width} x {height}")
        rgb = np.empty((rows, columns, 3), np.uint8)
        receive_into(self._end, rgb.data.cast("B"), until_s)
        rgb.setflags(write=False)
        return Picture(rgb, width, height, task.name)

    def _ending(self) -> str:
        """How it ended, if it did so within a moment."""
        with suppress(subprocess.TimeoutExpired):
            status = self._process.wait(1)
            return f"ended by signal {-status}" if status < 0 else f"ended with status {status}"
        return "closed its end"


def _path() -> str:
    """Where this process finds its modules, so that the other one finds the same."""
    places = [str(Path(place).absolute()) for place in sys.path if place]
    return ":".join(places if ROOT in places else [*places, ROOT])
