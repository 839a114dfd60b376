"""The model-only limit, a process of its own: the service's models on prepared input, no queue and no HTTP.

`python -m service.bench.limit` takes jobs as lines of JSON and loads the models of its environment's settings.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from service.bench.figures import percentile
from service.bench.plain import plain_model_ms
from service.bench.scenes import Models, Prepared, timed_ms
from service.bench.worker import answer_jobs
from service.engine import Engine, load_engine
from service.models.ports import lanes_of
from service.settings import load_settings

Step = Callable[[], object]


@dataclass(frozen=True)
class Limit:
    """Both models on `batch` pictures a call, `views` views of each; pictures a second and median ms of a call.

    serial_per_s: one model after the other, as on one pool of processors. slower_per_s: of the slower one, as if they
    ran side by side and did not hinder each other. overlapped_per_s: measured with both running side by side.
    lanes_per_s: with a picture on each processor, one model after the other, as the service computes many; None where
    models take all processors.
    """

    batch: int
    views: int
    localizer_ms: float
    encoder_ms: float
    localizer_per_s: float | None
    encoder_per_s: float
    serial_per_s: float
    slower_per_s: float
    overlapped_per_s: float | None = None
    lanes_per_s: float | None = None


class Limits:
    """The jobs' state: models, loaded at the first job, and input, prepared once for each set of views."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._prepared: dict[str, list[Prepared]] = {}
        self._warm: set[tuple[tuple[str, ...], int]] = set()

    def answer(self, job: dict[str, Any]) -> Any:
        if self._engine is None:
            self._engine = load_engine(load_settings())
        engine = self._engine
        recognizer = engine.recognizer
        models = Models(recognizer.localizer, recognizer.encoder, recognizer.limits.image)
        branches = tuple(job.get("branches") or recognizer.usual_branches)
        if job["kind"] == "about":
            names = {"localizer": models.localizer.name, "encoder": models.encoder.name}
            return {**names, "hardware": str(engine.hardware), "branches": branches}
        if job["kind"] == "alone":
            return models.alone_ms(job["pictures"][0], branches)
        if job["kind"] == "prototypes":
            return _save_prototypes(models, job)
        if job["kind"] == "plain":
            return plain_model_ms(engine, load_settings(), models, job["pictures"])
        prepared = self._prepare(models, job["pictures"], branches)
        if job["kind"] == "lanes":
            return in_lanes(models, prepared, job["seconds"])
        shape = (branches, job["batch"])
        warm = shape in self._warm
        self._warm.add(shape)
        limit = measured(models, prepared, job["batch"], job["seconds"], job["all"], warm)
        if job["all"] and recognizer.turn is not None:
            limit = replace(limit, lanes_per_s=in_lanes(models, prepared, job["seconds"]))
        return asdict(limit)

    def _prepare(self, models: Models, files: Sequence[str], branches: tuple[str, ...]) -> list[Prepared]:
        key = " ".join((*branches, *files))
        if key not in self._prepared:
            self._prepared = {key: models.prepare(files, branches)}
        return self._prepared[key]


def _save_prototypes(models: Models, job: dict[str, Any]) -> dict[str, Any]:
    texts = [f"A photo of a {name}" for name in job["classes"]]
    np.save(Path(job["save_as"]), models.encoder.embed_texts(texts))
    return {"logit_scale": models.encoder.logit_scale}


def measured(
    models: Models,
    prepared: Sequence[Prepared],
    batch: int,
    seconds: float,
    overlapped: bool = False,
    warm: bool = False,
) -> Limit:
    """Calls of both models in turn for about `seconds`, and, if asked, as many again side by side."""
    chosen = [prepared[place % len(prepared)] for place in range(batch)]
    located = [entry.located for entry in chosen if entry.located is not None]
    views = np.concatenate([entry.views for entry in chosen])

    def locate() -> object:
        return models.localizer.locate(located) if located else None

    def embed() -> object:
        return models.encoder.embed_images(views)

    locating, embedding = _in_turns(locate, embed, seconds, warm)
    rounds = len(locating)
    locating_s, embedding_s = sum(locating) / 1000, sum(embedding) / 1000
    return Limit(
        batch=batch,
        views=len(views) // batch,
        localizer_ms=percentile(locating, 50) if located else 0.0,
        encoder_ms=percentile(embedding, 50),
        localizer_per_s=rounds * batch / locating_s if located else None,
        encoder_per_s=rounds * batch / embedding_s,
        serial_per_s=rounds * batch / (locating_s + embedding_s),
        slower_per_s=rounds * batch / max(locating_s, embedding_s),
        overlapped_per_s=_side_by_side(locate, embed, batch, rounds) if overlapped and located else None,
    )


def in_lanes(models: Models, prepared: Sequence[Prepared], seconds: float) -> float | None:
    """Pictures a second with one picture on each processor, for about `seconds` after one round for warming up."""
    embeds = lanes_of(models.encoder)
    locates = lanes_of(models.localizer) if models.locates else [len] * len(embeds)
    lanes = list(zip(locates, embeds, strict=False))
    if not lanes:
        return None
    warm = threading.Barrier(len(lanes))

    def compute(number: int, turn: int) -> None:
        locate, embed = lanes[number]
        entry = prepared[(number + len(lanes) * turn) % len(prepared)]
        locate([entry.located])
        embed(entry.views)

    def work(number: int) -> float:
        try:
            compute(number, 0)
        except BaseException:
            warm.abort()
            raise
        warm.wait()
        done, begin_s = 0, time.perf_counter()
        while not done or time.perf_counter() - begin_s < seconds:
            done += 1
            compute(number, done)
        return done / (time.perf_counter() - begin_s)

    with ThreadPoolExecutor(len(lanes)) as pool:
        return sum(pool.map(work, range(len(lanes))))


def _in_turns(locate: Step, embed: Step, seconds: float, warm: bool) -> tuple[list[float], list[float]]:
    """Times of both, in ms. What is not warm has its first round left out, unless that already took too long."""
    locating: list[float] = []
    embedding: list[float] = []
    begin_s = time.perf_counter()
    while not locating or time.perf_counter() - begin_s < seconds:
        locating.append(timed_ms(locate)[0])
        embedding.append(timed_ms(embed)[0])
        if not warm and time.perf_counter() - begin_s < seconds:
            warm, begin_s = True, time.perf_counter()
            locating, embedding = [], []
    return locating, embedding


def _side_by_side(locate: Step, embed: Step, batch: int, rounds: int) -> float:
    """Pictures a second where each model has a thread of its own, as in the service."""

    def repeat(step: Step) -> None:
        for _ in range(rounds):
            step()

    begin_s = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(repeat, step) for step in (locate, embed)]:
            done.result()
    return rounds * batch / (time.perf_counter() - begin_s)


if __name__ == "__main__":
    answer_jobs(Limits().answer)
