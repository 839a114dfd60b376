"""Class lists that come with a request: their prototypes are made once, however many ask, and kept for a while."""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from service.batching import Batcher, WorkerHealth
from service.datasets.adhoc_kept import KeptLists, KeptState
from service.datasets.fingerprints import version_of
from service.datasets.pacing import MOST_PIECE_TEXTS, PacedEmbedding, TextPace, Traffic
from service.datasets.prototypes import DatasetEncoder, Embed, class_prototypes, has_pictures
from service.datasets.records import Dataset
from service.datasets.spec import DatasetSpec
from service.errors import DeadlineExceeded, FieldProblem, InvalidFields, Overloaded

MARGIN = 2.0  # a list may take so much longer than it looks: pictures may come in between
REGISTER = "register a longer list once, by POST /datasets"


@dataclass(frozen=True)
class AdhocLimits:
    """max_texts: of one list, classes times templates. cache_bytes: for lists seen before. max_waiting: lists."""

    max_classes: int = 1000
    max_texts: int = 4000
    cache_bytes: int = 64 * 2**20
    max_waiting: int = 64


@dataclass(frozen=True)
class AdhocList:
    """What a request compares its pictures with. Fingerprinting a long list takes milliseconds."""

    spec: DatasetSpec
    version: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "version", version_of(self.spec))

    @property
    def text_count(self) -> int:
        return sum(map(self.spec.text_count, self.spec.classes))


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
        embed: Embed,
        limits: AdhocLimits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`embed` gives unit embeddings `[N, D]`, of the encoder; `clock` seconds."""
        self._encoder, self._limits, self._clock = encoder, limits, clock
        self._kept, self._pace = KeptLists(limits.cache_bytes), TextPace()
        self._lock = threading.Lock()
        self._coming: dict[str, _Coming] = {}
        self._present: _Coming | None = None  # the worker's
        self._paced = PacedEmbedding(embed, Traffic(), threading.Event(), self._go_on, MOST_PIECE_TEXTS)
        self._worker: Batcher[_Coming, Dataset] = Batcher(
            "text encoder", self._make, max_batch=1, max_waiting=limits.max_waiting
        )

    def close(self, timeout_s: float | None = None) -> bool:
        return self._worker.close(timeout_s)

    def health(self) -> WorkerHealth:
        return self._worker.health()

    def state(self) -> KeptState:
        return self._kept.state()

    def check_count(self, classes: int) -> None:
        """Raises InvalidFields: so many do not come with a request."""
        most = self._limits.max_classes
        if classes > most:
            raise InvalidFields(
                FieldProblem("classes", f"holds {classes} classes; at most {most} in a request; {REGISTER}")
            )

    def listed(self, spec: DatasetSpec) -> AdhocList:
        """For a thread, not an event loop. Raises InvalidFields: more than may come with a request, or pictures."""
        self.check_count(len(spec.classes))
        if has_pictures(spec):
            place = next(place for place, entry in enumerate(spec.classes) if entry.pictures)
            raise InvalidFields(
                FieldProblem(f"classes[{place}].images", "example pictures are kept with a registered dataset")
            )
        asked, most = AdhocList(spec), self._limits.max_texts
        if asked.text_count > most:
            raise InvalidFields(
                FieldProblem("classes", f"make {asked.text_count} texts; at most {most} in a request; {REGISTER}")
            )
        return asked

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
            async with asyncio.timeout(left_s):
                return await asyncio.shield(asyncio.wrap_future(coming.future))
        except TimeoutError:
            raise DeadlineExceeded(f"the classes were not embedded within {max(left_s, 0):.1f} s") from None
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
            detail = f"embedding the classes would take {expected_s:.1f} s, and {max(left_s, 0):.1f} s are left"
            raise Overloaded(detail, retry_after_s=max(1, math.ceil(expected_s - left_s)))

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
