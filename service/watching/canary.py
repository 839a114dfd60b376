"""A picture of our own goes through every model when nobody else's did for a while, or when something failed."""

import asyncio
import io
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from service.batching import WorkerHealth
from service.datasets.prototypes import unsaved_dataset
from service.datasets.records import Dataset
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import Overloaded, SettingsError
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
            if self._is_due():
                await self._try()
            await asyncio.sleep(min(RETRY_S, self._interval_s))

    def _is_due(self) -> bool:
        workers = self._recognizer.health().values()
        return bool(self._failure) or any(is_suspect(worker, self._interval_s) for worker in workers)

    async def _try(self) -> None:
        try:
            await self.try_once()
        except Overloaded:
            return  # there is work enough to see by it how the models are
        except Exception as error:  # noqa: BLE001  whatever it is, the service cannot do its work
            if not self._failure:
                self._failing_since_s = self._clock()
            self._failure = str(error) or repr(error)
            log.error("the service failed on a picture of its own", extra={"failure": self._failure})
        else:
            if self._failure:
                log.info("the service is well again")
            self._failure = ""


def is_suspect(worker: WorkerHealth, interval_s: float) -> bool:
    """Whether it failed, or did nothing for so long that nobody knows how it is."""
    idle = worker.running_for_s == 0 and worker.waiting == 0
    return worker.failures > 0 or (idle and worker.succeeded_ago_s >= interval_s)


def disc_png() -> bytes:
    """A red disc on a light ground, 240 x 320."""
    ground = np.linspace(200, 255, 320, dtype=np.uint8)[None, :, None].repeat(240, axis=0).repeat(3, axis=2)
    picture = Image.fromarray(np.ascontiguousarray(ground))
    ImageDraw.Draw(picture).ellipse((100, 60, 220, 180), fill=(200, 30, 30))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
