"""A picture of our own goes through every model when nobody else's did for a while, or when something failed."""

import asyncio
import io
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from service.batch_record import WorkerHealth
from service.datasets.prototypes import unsaved_dataset
from service.datasets.records import Dataset
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import DeadlineExceeded, Overloaded, SettingsError
from service.recognition.views import VIEWS
from service.recognizer import Recognizer
from service.stages.options import Options

RETRY_S = 1.0  # while something is wrong
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """What came of the last tries: for how many seconds they have failed, and of what; None where all is well."""

    failing_for_s: float = 0.0
    failure: str | None = None


class Canary:
    def __init__(
        self, recognizer: Recognizer, interval_s: float, patience_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """A model that has computed nothing for `interval_s` is tried; no answer within `patience_s` is a failure."""
        self._failing_since_s, self._failure = 0.0, ""
        self._went_well_s = clock()
        self._recognizer, self._interval_s, self._patience_s, self._clock = recognizer, interval_s, patience_s, clock
        self._picture = disc_png()
        self._dataset: Dataset | None = None
        usual = recognizer.usual_branches
        # The segmenter, if there is one, has something to do too
        masked = any(VIEWS[name].needs_mask for name in usual) or recognizer.segmenter is None
        self._options = Options(branches=usual if masked else (*usual, "fg_mask"))

    @property
    def trial(self) -> Trial:
        return Trial(self._clock() - self._failing_since_s, self._failure) if self._failure else Trial()

    @property
    def age_s(self) -> float:
        """How long ago it last went well, or every model did its work for others."""
        others_s = max(worker.succeeded_ago_s for worker in self._recognizer.health().values())
        return min(self._clock() - self._went_well_s, others_s)

    def prepare(self) -> None:
        """Embed the class names, once."""
        spec = DatasetSpec((ClassEntry("circle"), ClassEntry("square")))
        self._dataset = unsaved_dataset(spec, self._recognizer.encoder.embed_texts)

    async def try_once(self) -> None:
        """One real inference through all stages.

        Raises whatever fails in it, and SettingsError if no box came in time.
        """
        assert self._dataset is not None, "prepare() comes first"
        place = self._recognizer.admission.own_place(self._patience_s)
        answer = await self._recognizer.recognize(self._picture, self._dataset, self._options, place)
        if answer.fallback == "timeout":
            limit_s = self._recognizer.limits.locate_timeout_s
            raise SettingsError(f"the localizer needs more than L2R2_LOCATE_TIMEOUT_S={limit_s:g} for one picture")

    async def watch(self) -> None:
        """Try whenever it is due, until cancelled."""
        while True:
            if self.is_due():
                await self.try_and_tell()
            await asyncio.sleep(min(RETRY_S, self._interval_s))

    def is_due(self) -> bool:
        """Where something failed; and where a model did nothing for long, nor the last try was made lately: it may
        find no work for every model."""
        workers = self._recognizer.health().values()
        if self._failure or any(worker.failures for worker in workers):
            return True
        quiet = self._clock() - self._went_well_s >= self._interval_s
        return quiet and any(is_idle(worker) and worker.succeeded_ago_s >= self._interval_s for worker in workers)

    async def try_and_tell(self) -> None:
        """What came of it is in `trial`."""
        began_s = self._clock()
        try:
            await self.try_once()
        except Exception as error:  # noqa: BLE001  whatever it is, the service cannot do its work
            if isinstance(error, Overloaded | DeadlineExceeded | SettingsError) and self._others_are_served(began_s):
                self._failure = ""  # it only came too late among many
                return
            if not self._failure:
                self._failing_since_s = self._clock()
            self._failure = str(error) or repr(error)
            log.error("the service failed on a picture of its own", extra={"failure": self._failure})
        else:
            if self._failure:
                log.info("the service is well again")
            self._failure, self._went_well_s = "", self._clock()

    def _others_are_served(self, since_s: float) -> bool:
        """Whether every model with work has finished some since then, and one has."""
        took_s = self._clock() - since_s
        working = [worker for worker in self._recognizer.health().values() if not is_idle(worker)]
        return bool(working) and all(worker.succeeded_ago_s <= took_s for worker in working)


def is_idle(worker: WorkerHealth) -> bool:
    return worker.running_for_s == 0 and worker.waiting == 0


def disc_png() -> bytes:
    """A red disc on a light ground, 240 x 320."""
    ground = np.linspace(200, 255, 320, dtype=np.uint8)[None, :, None].repeat(240, axis=0).repeat(3, axis=2)
    picture = Image.fromarray(np.ascontiguousarray(ground))
    ImageDraw.Draw(picture).ellipse((100, 60, 220, 180), fill=(200, 30, 30))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
