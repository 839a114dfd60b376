"""The measured service's own answers: its datasets, its workers' counts."""

import itertools
import random
import threading
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import httpx

from service.bench.worker import BenchFailed
from service.errors import ServiceUnreachable

TIMEOUT_S = 300.0
BUILD_S = 7200
PAUSE_S = 0.5
_SYLLABLES = [first + second for first, second in itertools.product("bcdfghklmnprstvwz", "aeiou")]
NOUNS = ("cat", "dog", "car", "cup", "bird", "tree", "house", "boat", "chair", "flower")


def class_names(count: int, seed: int = 0) -> list[str]:
    """So many different names of one or two words that no dictionary holds."""
    chance = random.Random(seed)  # noqa: S311  (no secret)
    names: dict[str, None] = {}
    while len(names) < count:
        word = "".join(chance.choice(_SYLLABLES) for _ in range(chance.randint(2, 4)))
        names[f"{word} {chance.choice(NOUNS)}" if chance.random() < 0.5 else word] = None
    return list(names)


class Remote:
    """Its datasets' names begin as no other run's; `close` deletes those that are left."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self._prefix = f"bench-{uuid.uuid4().hex[:12]}"
        self._registered: list[str] = []
        self.url = url.rstrip("/")
        self._client = httpx.Client(base_url=self.url, timeout=TIMEOUT_S, headers=headers)
        self._pause = threading.Event()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON. Raises BenchFailed with the service's own words, ServiceUnreachable."""
        try:
            response = self._client.request(method, path, json=body)
        except httpx.TransportError as error:
            raise ServiceUnreachable(f"no service answers at {self.url}: {error}") from None
        if response.is_error:
            raise BenchFailed(f"{method} {path} was answered with {response.status_code}: {response.text[:500]}")
        return response.json() if response.content else None

    def register(self, kind: str, classes: Sequence[str], wait: bool = True) -> str:
        """The name of a new dataset whose box is always used, however unsure, so that every request costs the same."""
        name = f"{self._prefix}-{kind}"
        self._registered.append(name)  # before it is: an interrupted request may have arrived
        self.call("PUT", f"/datasets/{name}", {"classes": list(classes), "box_threshold": 0.0})
        if wait:
            self.wait_built(name)
        return name

    def wait_built(self, name: str) -> None:
        for _ in range(round(BUILD_S / PAUSE_S)):
            if self.is_built(name):
                return
            self._pause.wait(PAUSE_S)
        raise BenchFailed(f"the dataset {name} was not built within {BUILD_S} s")

    def is_built(self, name: str) -> bool:
        """Raises BenchFailed where it cannot be."""
        state = self.call("GET", f"/datasets/{name}")
        if state["status"] == "failed":
            raise BenchFailed(f"the dataset {name} could not be built")
        return bool(state["status"] == "ready")

    def forget(self, name: str) -> None:
        self.call("DELETE", f"/datasets/{name}")
        self._registered.remove(name)

    def counts(self) -> dict[str, tuple[int, int]]:
        """For each worker how many batches of how many items it has begun; none where the service does not tell."""
        workers: Mapping[str, Mapping[str, Any]] = self.call("GET", "/healthz").get("workers", {})
        return {name: (row["batches"], row["items"]) for name, row in workers.items() if "batches" in row}

    def models(self) -> Any:
        return self.call("GET", "/models")

    def close(self) -> None:
        with suppress(ServiceUnreachable):
            for name in self._registered:
                with suppress(BenchFailed):  # one that never came to be; the others are deleted nevertheless
                    self.call("DELETE", f"/datasets/{name}")
        self._client.close()


def batch_sizes(before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]) -> dict[str, float]:
    """The mean batch of each worker that ran any between two readings."""
    sizes = {}
    for name, (batches, items) in after.items():
        batches_before, items_before = before.get(name, (0, 0))
        if batches > batches_before:
            sizes[name] = (items - items_before) / (batches - batches_before)
    return sizes
