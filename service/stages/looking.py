"""What the encoder sees: views of one or more scenes, embedded in one batch (L2R2, section 4.3)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np

from service.batch_record import WorkerHealth
from service.batching import Batcher
from service.errors import DeadlineExceeded
from service.models.ports import Bytes, Encoder, Floats, lanes_of
from service.recognition.views import VIEWS, Scene, Style
from service.stages.options import Limits
from service.telemetry import Stopwatch
from service.turns import Turns

NOTHING: Mapping[str, Bytes] = MappingProxyType({})
Looks = Mapping[str, Floats]  # a branch's name to its unit embedding [D]


@dataclass(frozen=True, eq=False)
class Views:
    """Views of one scene as the encoder takes them: `pixels [V, S, S, 3]`."""

    names: tuple[str, ...]
    pixels: Bytes


class Looking:
    """The encoder behind a queue and a worker."""

    def __init__(
        self,
        encoder: Encoder,
        limits: Limits,
        turn: Turns | None = None,
    ) -> None:
        self._encoder = encoder
        self._most_views = limits.max_batch.encoder
        self._places = asyncio.Semaphore(
            limits.max_waiting
        )  # a batch that was let in waits here, as before the localizer
        self._embedding: Batcher[Bytes, Floats] = Batcher(
            "encoder",
            partial(self._embed_views, encoder.embed_images),
            max_batch=self._most_views,
            max_waiting=limits.max_waiting,
            weigh=len,
            turn=turn,
            lanes=[partial(self._embed_views, lane) for lane in lanes_of(encoder)],
        )

    def health(self) -> Mapping[str, WorkerHealth]:
        return {self._embedding.name: self._embedding.health()}

    def close(self, timeout_s: float | None = None) -> bool:
        return self._embedding.close(timeout_s)

    async def embed(self, views: Sequence[Views], watch: Stopwatch) -> list[dict[str, Floats]]:
        """For each scene's views their embeddings by name; one model call for all."""
        if not any(entry.names for entry in views):
            return [{} for _ in views]
        with watch.stage("embed"):
            pixels = np.concatenate([entry.pixels for entry in views if entry.names])
            async with self._places:
                embeddings = await asyncio.wrap_future(self._embedding.submit(pixels))
        rows = iter(embeddings)
        return [{name: next(rows) for name in entry.names} for entry in views]

    def look_now(self, scene: Scene, names: Sequence[str], style: Style, timeout_s: float) -> Floats:
        """The embeddings `[V, D]` of the scene's views, for callers without an event loop. Raises DeadlineExceeded."""
        waiting = self._embedding.submit(self.made(scene, names, style).pixels)
        try:
            return waiting.result(timeout_s)
        except TimeoutError:
            waiting.cancel()
            raise DeadlineExceeded(f"no embedding within {timeout_s:g} s") from None

    def made(self, scene: Scene, names: Sequence[str], style: Style, ready: Mapping[str, Bytes] = NOTHING) -> Views:
        """The named views of a scene, but for those that are `ready`; for any thread."""
        made = [
            ready[name] if name in ready else self._encoder.preprocess(VIEWS[name].make(scene, style)) for name in names
        ]
        return Views(tuple(names), np.stack(made) if made else np.empty((0, 0, 0, 3), np.uint8))

    def _embed_views(self, embed: Callable[[Bytes], Floats], pictures: Sequence[Bytes]) -> list[Floats]:
        """One model call for all views of all pictures, or several for a picture with more views than one may have;
        `[V, D]` for each picture's `[V, S, S, 3]`."""
        views, most = np.concatenate(pictures), self._most_views
        parts = [embed(views[start : start + most]) for start in range(0, len(views), most)]
        rows = np.concatenate(parts)
        ends = np.cumsum([len(views) for views in pictures])
        return np.split(rows, ends[:-1])
