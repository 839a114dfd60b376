"""What routes work with, and whether it is there yet."""

import asyncio
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from starlette.requests import Request

from service.api.body_limits import HeldBodies
from service.batch_record import WorkerHealth
from service.datasets.adhoc import AdhocDatasets
from service.datasets.database import Database
from service.datasets.registry import Registry
from service.engine import Engine
from service.errors import NotReady, ServiceError
from service.images import decode
from service.lines import Line
from service.models.device_memory import device_bytes
from service.observing.observer import Observer
from service.observing.reading import Reading
from service.recognizer import Recognizer
from service.settings import Settings
from service.watching.canary import Canary
from service.watching.judging import beyond_help_because, unready_because

if TYPE_CHECKING:
    from service.fetching.fetch import Fetcher


def _changing() -> Line:
    """Most of it takes milliseconds; texts are embedded one list at a time whatever the threads."""
    return Line("changes of datasets", 4, most_waiting=32, patience_s=30)


def _calibrating() -> Line:
    """Places are fewer than callers would like because each may hold hundreds of megabytes; two, so that pictures of
    one are looked at while the other is fitted."""
    return Line("calibration", 1, places=2, most_waiting=4, patience_s=30, retry_after_s=10)


@dataclass(frozen=True)
class Parts:
    """Everything that is loaded at the start and closed at the end. `stall_s`: how long a model call may take.

    `changing`: threads for what changes datasets, which embeds texts and waits for the database. `calibrating`: one for
    what takes minutes. Neither keeps those from their work that look-ups and answers wait for.
    """

    engine: Engine
    registry: Registry
    adhoc: AdhocDatasets
    database: Database
    canary: Canary
    stall_s: float
    changing: Line = field(default_factory=_changing)
    calibrating: Line = field(default_factory=_calibrating)
    checking: threading.Lock = field(default_factory=threading.Lock)

    @property
    def recognizer(self) -> Recognizer:
        return self.engine.recognizer

    def health(self) -> dict[str, WorkerHealth]:
        embedding = {"prototype builder": self.registry.health(), "text encoder": self.adhoc.health()}
        return {**self.recognizer.health(), **embedding}

    def check_picture(self, data: bytes) -> None:
        """One at a time, which takes the memory of one, and one decoder from those who ask. Raises ImageError where it
        cannot be decoded."""
        decoders = self.engine.decoders
        with self.checking:
            (decoders.decode if decoders else decode)(data, self.recognizer.limits.image)

    def unready_because(self) -> str | None:
        if self.database.damage is not None:
            return "the database is damaged; the log tells what to do"
        return unready_because(self._judged(), self.canary.trial, self.stall_s)

    def beyond_help_because(self) -> str | None:
        return beyond_help_because(self._judged(), self.canary.trial, self.stall_s)

    def told(self, reading: Reading) -> Reading:
        """With what is loaded."""
        engine, recognizer, canary = self.engine, self.recognizer, self.canary
        rows = {"localizer": engine.localizer_row, "segmenter": engine.segmenter_row, "encoder": engine.encoder_row}
        models = {kind: row.name if row is not None else "" for kind, row in rows.items()}
        return replace(
            reading,
            models={**models, "device": str(engine.hardware)},
            workers={**recognizer.health(), "text encoder": self.adhoc.health()},
            building=self.registry.health(),
            inside=recognizer.admission.occupancy.inside,
            expected_s=recognizer.admission.expected_s(1),
            canary_age_s=canary.age_s,
            canary_failing_s=canary.trial.failing_for_s,
            memory=recognizer.memory(),
            decoders=engine.decoders.state() if engine.decoders is not None else None,
            device_bytes=device_bytes(engine.hardware),
        )

    def _judged(self) -> dict[str, WorkerHealth]:
        """A build may take minutes, and texts fail by themselves: of the builder it only counts whether he lives, of
        who embeds requests' classes also how long a call takes."""
        texts = self.adhoc.health()
        builder = WorkerHealth(self.registry.health().alive, 0, 0.0)
        embedding = {"prototype builder": builder, "text encoder": WorkerHealth(texts.alive, 0, texts.running_for_s)}
        return {**self.recognizer.health(), **embedding}

    def close(self, timeout_s: float | None = None) -> bool:
        """Finish what was accepted, then let go of everything; false if a model did not end in time. A calibration
        that runs is given up: nobody was told of it."""
        ended = self.recognizer.close(timeout_s)
        if self.engine.decoders is not None:
            self.engine.decoders.close()
        self.changing.close()
        self.calibrating.close()
        self.adhoc.close(timeout_s)
        if self.registry.close(timeout_s):
            self.database.close()
        return ended


@dataclass
class State:
    """The one changing thing of the app: `parts` appears when loading is done; `draining` when the end has come.
    Without a `fetcher` no picture is fetched."""

    settings: Settings
    fetcher: "Fetcher | None" = None
    parts: Parts | None = None
    failure: str | None = None
    refusal: ServiceError | None = None
    draining: bool = False
    bodies: HeldBodies = field(default_factory=HeldBodies)
    closed: bool = False
    loaded: asyncio.Event = field(default_factory=asyncio.Event)  # set when loading ended, well or not
    observer: Observer = field(default_factory=Observer)

    def drain(self) -> None:
        self.draining = True

    def close(self, timeout_s: float) -> bool:
        if self.fetcher is not None:
            self.fetcher.close()
        ended = self.parts is None or self.parts.close(timeout_s)
        self.observer.close()
        return ended

    def reading(self) -> Reading:
        """For any thread."""
        reading = Reading(
            ready=self.unready_because() is None,
            alive=self.dead_because() is None,
            draining=self.draining,
            bodies_bytes=self.bodies.bytes,
            places=self.settings.queue_items,
            canary_interval_s=self.settings.canary_interval_s,
        )
        return reading if self.parts is None else self.parts.told(reading)

    def unready_because(self) -> str | None:
        if self.failure is not None:
            return self.failure
        if self.parts is None:
            return "models are being loaded"
        if self.draining:
            return "the service is stopping"
        return self.parts.unready_because()

    def dead_because(self) -> str | None:
        """Why the process is not worth keeping; None while it loads, too."""
        return self.failure or (self.parts.beyond_help_because() if self.parts is not None else None)


def state_of(request: Request) -> State:
    state: State = request.app.state.service
    return state


def parts_of(request: Request) -> Parts:
    """Raises NotReady while models are being loaded."""
    state = state_of(request)
    if state.parts is None:
        raise NotReady(state.unready_because() or "not loaded", retry_after_s=2)
    return state.parts
