"""kill -9 at a bad moment: the restart finds a sound state, and nothing acknowledged is lost."""

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from running import RunningService, running  # type: ignore[import-not-found]

pytestmark = pytest.mark.thorough

NAMES = [f"thing {number}" for number in range(600)]


@pytest.fixture
def settings(tmp_path: Path, models_cache: Path) -> dict[str, str]:
    return {
        "data_dir": str(tmp_path / "data"),
        "models_cache": str(models_cache),
        "background_build_texts": "300",
        "build_chunk_texts": "50",
        "offline": "1",
    }


def wait_for_chunks(service: RunningService, name: str, at_least: float) -> None:
    while True:
        shown = httpx.get(f"{service.url}/datasets/{name}").json()
        assert shown["status"] == "building", shown
        if shown["progress"] >= at_least:
            return


def test_a_build_killed_in_the_middle_goes_on_after_the_restart(
    tmp_path: Path, settings: dict[str, str], photographs: dict[str, bytes]
) -> None:
    log = tmp_path / "log"
    with running(log, **settings) as service:
        small = {"name": "small", "classes": ["cat", "dog"]}
        assert httpx.post(f"{service.url}/datasets", json=small).status_code == 201
        long = {"name": "long", "classes": [*NAMES, "cat"]}
        assert httpx.post(f"{service.url}/datasets", json=long).status_code == 202
        wait_for_chunks(service, "long", 0.05)
        service.kill()
    with closing(sqlite3.connect(tmp_path / "data" / "l2r2.sqlite3")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        database.execute("UPDATE prototype_builds SET lease_until = 0")  # as if the dead one's lease had run out
        database.commit()
    with running(log, **settings) as service:
        files = {"image": ("a.jpg", photographs["chelsea"])}
        answer = httpx.post(f"{service.url}/classify", files=files, data={"dataset": "small"}, timeout=60)
        assert answer.json()["label"] == "cat"
        shown = httpx.get(f"{service.url}/datasets/long").json()
        assert shown["class_count"] == len(NAMES) + 1
        assert shown["status"] == "ready" or shown["progress"] >= 0.03
        while httpx.get(f"{service.url}/datasets/long").json()["status"] != "ready":
            assert service.process.poll() is None
        answer = httpx.post(f"{service.url}/classify", files=files, data={"dataset": "long"}, timeout=60)
        assert answer.json()["label"] == "cat"
        assert service.stop() == 0
        built = [line for line in service.log_lines() if line["message"] == "a dataset was built"]
        assert len(built) == 1
    text = log.read_text()
    assert "Traceback" not in text
