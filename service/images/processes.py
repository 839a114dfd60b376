"""Strangers' pictures are decoded in processes of their own: what crashes, hangs or eats memory there costs its own
picture an error, and the service nothing."""

import hashlib
import logging
import queue
import threading
from collections.abc import Callable, Mapping, Sequence

from service.errors import ImageError, ImageUnreadable, Overloaded
from service.images.decode import judge
from service.images.decoder_state import DecoderState
from service.images.memory import LARGE_BYTES, LargePicture, one_large_at_a_time
from service.images.picture import DEFAULT_LIMITS, ImageLimits, Picture
from service.images.process import COMMAND, DecoderProcess, Died, Fault, Task

TEND_EVERY_S = 1.0
log = logging.getLogger(__name__)


class DecoderProcesses:
    """So many decoder processes, each for one picture at a time; one that ends, however it came to it, is replaced at
    once. Threads may share it."""

    def __init__(
        self,
        count: int,
        timeout_s: float = 10.0,
        memory_bytes: int = 2 * 2**30,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """Starts them, and does not wait until they are ready.

        Args:
            timeout_s: how long a picture may take; then its process is ended.
            memory_bytes: how much a process may have.
            environment: of the processes, which see no other.
        """
        self._timeout_s, self._closing = timeout_s, threading.Event()

        def start() -> DecoderProcess:
            return DecoderProcess(command, environment or {}, memory_bytes)

        self._seats = [_Seat(start, self._closing) for _ in range(count)]
        self._idle: queue.SimpleQueue[_Seat] = queue.SimpleQueue()
        for seat in self._seats:
            self._idle.put(seat)
        self._keeper = threading.Thread(target=self._keep, name="decoders' keeper", daemon=True)
        self._keeper.start()

    def decode(self, data: bytes, limits: ImageLimits = DEFAULT_LIMITS, small_only: bool = False) -> Picture:
        """As `decode` in this process; those that take much memory are decoded one at a time over all processes.

        Raises:
            ImageError: as `decode`; ImageUnreadable also where it takes too long or too much memory, and where the
                process died of it, twice.
            Overloaded: no process can be started.
        """
        name = judge(data, limits)
        try:
            return self._decode(Task(name, data, limits, True, self._timeout_s))
        except LargePicture:
            if small_only:
                raise
        with one_large_at_a_time(LARGE_BYTES):
            return self._decode(Task(name, data, limits, False, self._timeout_s))

    def wait_ready(self) -> None:
        """Until each can decode. Raises Fault, saying why one cannot."""
        for seat in self._seats:
            process = seat.process
            if process is None:
                raise Fault("cannot be started")
            process.wait_ready()

    @property
    def pids(self) -> list[int]:
        return [seat.process.pid for seat in self._seats if seat.process is not None]

    def state(self) -> DecoderState:
        processes = [seat.process for seat in self._seats if seat.process is not None]
        replaced = sum(seat.replaced for seat in self._seats)
        return DecoderState(len(self._seats), sum(process.is_alive for process in processes), replaced)

    def close(self) -> None:
        """End them at once; who still waits for a picture is refused."""
        self._closing.set()
        self._keeper.join()
        gathered = 0
        while gathered < len(self._seats):
            for seat in self._seats:
                seat.kill()
            try:
                self._idle.get(timeout=0.1).empty()
                gathered += 1
            except queue.Empty:
                continue
        for seat in self._seats:
            self._idle.put(seat)  # for those who come too late, and are refused

    def _decode(self, task: Task) -> Picture:
        seat = self._idle.get()
        try:
            answer = seat.ask(task)
        finally:
            self._idle.put(seat)
        if isinstance(answer, Picture):
            return answer
        raise answer

    def _keep(self) -> None:
        """Replace those that died while nobody used them."""
        while not self._closing.wait(TEND_EVERY_S):
            for _ in self._seats:
                try:
                    seat = self._idle.get_nowait()
                except queue.Empty:
                    break
                try:
                    seat.tend()
                finally:
                    self._idle.put(seat)


class _Seat:
    """The place of one process. Whoever took it from the queue has it for himself, but for `kill`."""

    def __init__(self, start: Callable[[], DecoderProcess], closing: threading.Event) -> None:
        self._start, self._closing = start, closing
        self.process: DecoderProcess | None = None
        self.replaced = 0
        self._fill()

    def ask(self, task: Task) -> Picture | ImageError | LargePicture:
        """Raises ImageUnreadable, Overloaded."""
        for is_last in (False, True):
            process = self._ready_one()
            try:
                return process.ask(task)
            except Fault as fault:
                self._replace()
                if self._closing.is_set():
                    raise Overloaded("the service is stopping", retry_after_s=1, of="decoders") from None
                again = isinstance(fault, Died) and not is_last
                digest = hashlib.sha256(task.data).hexdigest()
                told = {"sha256": digest, "format": task.name, "pid": process.pid, "reason": str(fault)}
                log.warning("a decoder process was replaced", extra={**told, "decoded_again": again})
                if not again:
                    raise ImageUnreadable(fault.words) from fault
            except BaseException:
                self._replace()  # the rest of its answer may still come
                raise
        raise AssertionError

    def tend(self) -> None:
        if self.process is None or not self.process.is_usable():
            self._replace()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()

    def empty(self) -> None:
        if self.process is not None:
            self.process.end()
        self.process = None

    def _ready_one(self) -> DecoderProcess:
        """A process to which nothing has happened. Raises Overloaded if none starts."""
        for _ in range(2):
            self.tend()
            if self.process is None:
                continue
            try:
                self.process.wait_ready()
            except Fault as fault:
                log.warning("a decoder process did not start", extra={"reason": str(fault)})
                self._replace()
            else:
                return self.process
        reason = "the service is stopping" if self._closing.is_set() else "no decoder process can be started"
        raise Overloaded(reason, retry_after_s=1, of="decoders")

    def _replace(self) -> None:
        self.replaced += not self._closing.is_set()
        self.empty()
        self._fill()

    def _fill(self) -> None:
        if self._closing.is_set():
            return
        try:
            self.process = self._start()
        except OSError as error:
            log.warning("a decoder process cannot be started", extra={"reason": str(error)})
