"""kill -9 at any moment of a stream of changes: what was acknowledged is there after the restart, exactly."""

import base64
import random
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from running import RunningService, running  # type: ignore[import-not-found]

pytestmark = pytest.mark.thorough

NAMES = ("pets", "sites", "parts")
WORDS = ("cat", "dog", "rocket", "tree", "coffee", "horse", "house", "astronaut")
OUTCOMES = {"POST": (200, 201, 409), "PUT": (200, 201, 404), "DELETE": (204, 404)}
State = dict[str, str | None]  # the version that answers, by name; None where there is none


class Stream:
    """Sends one change after the other until the service is gone. `known` is what was acknowledged; the change under
    way when it died may or may not have been made: `either` is what there would be then."""

    def __init__(self, seed: int, vector: str) -> None:
        self.known: State = dict.fromkeys(NAMES)
        self.either: State | None = None
        self.done = 0
        self.calibrated = 0
        self._random, self._vector = random.Random(seed), vector
        self._enough = threading.Event()

    def run(self, url: str) -> None:
        with httpx.Client(base_url=url, timeout=60) as client:
            while True:
                method, path, body, after = self._next(client)
                self.either = after
                try:
                    answer = client.request(method, path, json=body)
                except httpx.TransportError:
                    return
                self._note(answer, path, after)
                self.either = None
                self.done += 1

    def _next(self, client: httpx.Client) -> tuple[str, str, Any, State | None]:
        """A change, and what is known of the state after it; the version is learnt from the answer."""
        name = self._random.choice(NAMES)
        there = self.known[name] is not None
        kind = self._random.choice(("replace", "delete", "calibrate", "calibrate") if there else ("register",))
        if kind == "delete":
            return "DELETE", f"/datasets/{name}", None, self.known | {name: None}
        if kind == "calibrate":
            seen = {"embeddings": {"full": self._vector, "fg": self._vector}, "box_score": 0.9}
            items = [{"label": label, **seen} for label in ("cat", "dog") * 12]
            body = {"items": items, "branches": ["full", "fg"], "activate": True, "learn": False}
            body["seed"] = self._random.randrange(10**6)
            return "POST", f"/datasets/{name}/calibration", body, None
        classes = ["cat", "dog", *self._random.sample(WORDS[2:], 3)]
        body = {"classes": classes, "box_threshold": self._random.random()}
        return "PUT", f"/datasets/{name}", body, None

    def _note(self, answer: httpx.Response, path: str, after: State | None) -> None:
        assert answer.status_code in (200, 201, 204), answer.text
        name = path.split("/")[2]
        if after is not None:
            self.known = after
            return
        self.calibrated += path.endswith("calibration")
        self.known = self.known | {name: answer.json()["version"]}


def check(url: str, stream: Stream, image: bytes) -> None:
    """The state is what was acknowledged, or that with the one change under way."""
    changed = 0
    for name, version in stream.known.items():
        shown = httpx.get(f"{url}/datasets/{name}", timeout=60)
        found = shown.json()["version"] if shown.status_code == 200 else None
        changed += found != version
        stream.known = stream.known | {name: found}
        files = {"image": ("a.jpg", image)}
        answer = httpx.post(f"{url}/classify", files=files, data={"dataset": name}, timeout=60)
        if found is None:
            assert (shown.status_code, answer.status_code) == (404, 404)
            continue
        assert (answer.json()["dataset_version"], answer.json()["label"]) == (found, "cat"), answer.text
        labels = {score["label"] for score in answer.json()["scores"]}
        assert labels == {entry["name"] for entry in shown.json()["classes"]}
        versions = httpx.get(f"{url}/datasets/{name}/versions").json()["versions"]
        assert [row["version"] for row in versions if row["current"]] == [found]
    assert changed <= 1, "more than the change under way"


def killed_again_and_again(folder: Path, settings: Mapping[str, str], image: bytes, rounds: int, seed: int) -> None:
    moments, stream = random.Random(seed), None
    for _ in range(rounds):
        with running(folder / "log", **settings) as service:
            stream = check_or_begin(service, stream, image, seed)
            done, calibrated = stream.done, stream.calibrated
            thread = threading.Thread(target=stream.run, args=(service.url,))
            thread.start()
            while stream.done < done + 4 or stream.calibrated == calibrated:
                assert thread.is_alive(), service.log.read_text()
                thread.join(0.01)
            thread.join(moments.uniform(0.0, 0.3))  # any moment of the next changes
            service.kill()
            thread.join()
        with closing(sqlite3.connect(folder / "data" / "l2r2.sqlite3")) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    with running(folder / "log", **settings) as service:
        assert stream is not None
        check(service.url, stream, image)
        assert service.stop() == 0
    assert "Traceback" not in (folder / "log").read_text()


def check_or_begin(service: RunningService, stream: Stream | None, image: bytes, seed: int) -> Stream:
    if stream is not None:
        check(service.url, stream, image)
        return stream
    first = {"name": "first", "classes": ["cat", "dog"]}
    assert httpx.post(f"{service.url}/datasets", json=first, timeout=60).status_code == 201
    fields = {"dataset": "first", "branches": "full", "embeddings": "true"}
    answer = httpx.post(f"{service.url}/classify", files={"image": ("a.jpg", image)}, data=fields, timeout=60)
    vector: str = answer.json()["embeddings"]["full"]
    assert len(base64.b64decode(vector)) % 4 == 0
    return Stream(seed, vector)


@pytest.fixture
def settings(tmp_path: Path, models_cache: Path) -> dict[str, str]:
    data_dir = str(tmp_path / "data")
    return {"data_dir": data_dir, "models_cache": str(models_cache), "localizer": "none", "offline": "1"}


def test_nothing_acknowledged_is_lost(tmp_path: Path, settings: dict[str, str], photographs: dict[str, bytes]) -> None:
    killed_again_and_again(tmp_path, settings, photographs["chelsea"], rounds=1, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [2, 3])
def test_nothing_acknowledged_is_lost_in_many_deaths(
    tmp_path: Path, settings: dict[str, str], photographs: dict[str, bytes], seed: int
) -> None:
    killed_again_and_again(tmp_path, settings, photographs["chelsea"], rounds=20, seed=seed)
