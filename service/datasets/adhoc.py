"""Class lists that come with a request: their prototypes are made once, however many ask, and kept for a while."""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace

from service.batch_record import WorkerHealth
from service.batching import Batcher
from service.datasets.adhoc_kept import KeptLists, KeptState
from service.datasets.adhoc_list import AdhocLimits, AdhocList, check_count, listed
from service.datasets.pacing import PacedEmbedding, TextPace, Traffic
from service.datasets.prototypes import DatasetEncoder, Floats, class_prototypes
from service.datasets.records import Dataset
from service.datasets.spec import DatasetSpec
from service.durations import told
from service.errors import DeadlineExceeded, Overloaded

MARGIN = 2.0  # a list may take so much longer than it looks: pictures may come in between
EmbedInTurn = Callable[[Sequence[str], AbstractContextManager[object]], Floats]


@dataclass(eq=False)
class _Coming:
    """A list that waits or is being embedded, and how many callers wait for it."""

    asked: AdhocList
    texts: int
    callers: int = 0
    future: "Future[Dataset]" = field(default_factory=Future)


class AdhocDatasets:
    """Lists are embedded one at a time, in order of arrival, in pieces between which pictures have their turn.

    A list that several ask for is embedded once, and goes on until the last of them has left; the others' deadlines
    and departures are none of a caller's business. Who comes while nothing waits is never refused, so that a wrong
    estimate mends itself.
    """

    def __init__(
        self,
        encoder: DatasetEncoder,
        embed: EmbedInTurn,
        limits: AdhocLimits,
        turn: AbstractContextManager[object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`embed` gives unit embeddings `[N, D]` of the encoder, which computes in its `turn`; `clock` seconds."""
        self._encoder, self._embed, self._limits = encoder, embed, limits
        self._turn, self._clock = turn or nullcontext(), clock
        self._computing_since_s: float | None = None
        self._kept, self._pace = KeptLists(limits.cache_bytes), TextPace()
        self._lock = threading.Lock()
        self._coming: dict[str, _Coming] = {}
        self._present: _Coming | None = None  # the worker's
        self._paced = PacedEmbedding(self._piece, Traffic(), threading.Event(), self._go_on)
        self._worker: Batcher[_Coming, Dataset] = Batcher(
            "text encoder", self._make, max_batch=1, max_waiting=limits.max_waiting
        )

    def close(self, timeout_s: float | None = None) -> bool:
        return self._worker.close(timeout_s)

    def health(self) -> WorkerHealth:
        """A list may take long; `running_for_s` is of the present call of the encoder."""
        since_s = self._computing_since_s
        return replace(self._worker.health(), running_for_s=0.0 if since_s is None else self._clock() - since_s)

    def state(self) -> KeptState:
        return self._kept.state()

    def check_count(self, classes: int) -> None:
        """Raises InvalidFields: so many do not come with a request."""
        check_count(classes, self._limits)

    def listed(self, spec: DatasetSpec) -> AdhocList:
        """For a thread, not an event loop. Raises InvalidFields: more than may come with a request, or pictures."""
        return listed(spec, self._limits)

    async def dataset(self, asked: AdhocList, left_s: float) -> Dataset:
        """Ready to answer within `left_s` seconds.

        Raises:
            Overloaded: it would take longer than that, or too many lists wait.
            DeadlineExceeded, ModelFailed, NotReady.
        """
        found = self._kept.get(asked.version)
        if found is not None:
            return found
        coming = self._joined(asked, left_s)
        try:
            done = asyncio.wrap_future(coming.future)
            done.add_done_callback(_look_at)
            async with asyncio.timeout(left_s):
                return await asyncio.shield(done)
        except TimeoutError:
            raise DeadlineExceeded(f"the classes were not embedded within {told(left_s)}") from None
        finally:
            self._leave(coming)

    def _joined(self, asked: AdhocList, left_s: float) -> _Coming:
        with self._lock:
            coming = self._coming.get(asked.version)
            if coming is None:
                coming = _Coming(asked, asked.text_count)
                self._judge(coming.texts, left_s)
                coming.future = self._worker.submit(coming)
                self._coming[asked.version] = coming
            coming.callers += 1
            return coming

    def _judge(self, texts: int, left_s: float) -> None:
        """Raises Overloaded where others wait, and so many texts more would not be embedded in time."""
        ahead, text_s = sum(coming.texts for coming in self._coming.values()), self._pace.text_s
        if not ahead or text_s is None:
            return
        expected_s = (ahead + texts) * text_s * MARGIN
        if expected_s > left_s:
            detail = f"embedding the classes would take {told(expected_s)}, and {told(left_s)} are left"
            raise Overloaded(detail, retry_after_s=max(1, math.ceil(expected_s - left_s)), of="time")

    def _leave(self, coming: _Coming) -> None:
        """The last caller's leaving ends what waits; what is being embedded ends with its present piece."""
        with self._lock:
            coming.callers -= 1
            if not coming.callers and coming.future.cancel():
                self._forget(coming)

    def _forget(self, coming: _Coming) -> None:
        if self._coming.get(coming.asked.version) is coming:
            del self._coming[coming.asked.version]

    def _go_on(self) -> None:
        """Raises DeadlineExceeded where nobody waits any longer for the list that is being embedded."""
        with self._lock:
            if self._present is not None and not self._present.callers:
                self._forget(self._present)
                raise DeadlineExceeded("nobody waits for these classes any longer")

    def _piece(self, texts: Sequence[str]) -> Floats:
        return self._embed(texts, self._timed_turn())

    @contextmanager
    def _timed_turn(self) -> Iterator[None]:
        with self._turn:
            self._computing_since_s = self._clock()
            try:
                yield
            finally:
                self._computing_since_s = None

    def _make(self, lists: Sequence[_Coming]) -> list[Dataset]:
        return [self._made(coming) for coming in lists]

    def _made(self, coming: _Coming) -> Dataset:
        spec, self._present = coming.asked.spec, coming
        started_s = self._clock()
        try:
            rows = class_prototypes(spec, spec.classes, self._paced.embed)
            dataset = self._encoder.dataset_of(coming.asked.version, spec, rows)
            self._kept.keep(dataset)
            with self._lock:
                self._pace.add(coming.texts, self._clock() - started_s)
            return dataset
        finally:
            with self._lock:
                self._present = None
                self._forget(coming)


def _look_at(done: "asyncio.Future[Dataset]") -> None:
    """Else a fault that comes when its caller has left is logged as one that nobody noticed."""
    if not done.cancelled():
        done.exception()
