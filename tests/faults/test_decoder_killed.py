"""A decoder process is killed again and again under load: the service stays ready, and no answer is wrong."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from running import RunningService, running  # type: ignore[import-not-found]

pytestmark = pytest.mark.thorough

CALLERS = 3
KILLS = 4


def decoders_of(service: RunningService) -> list[psutil.Process]:
    children = psutil.Process(service.process.pid).children()
    return [child for child in children if "service.images.worker" in child.cmdline()]


def kill_decoders(service: RunningService, answered: threading.Semaphore) -> None:
    """One after each few answers."""
    for _ in range(KILLS):
        for _ in range(CALLERS):
            assert answered.acquire(timeout=60)
        for decoder in decoders_of(service):
            decoder.kill()
        assert httpx.get(f"{service.url}/readyz").status_code == 200


def test_decoders_killed_under_load_cost_at_most_the_pictures_that_they_had(
    tmp_path: Path, models_cache: Path, photographs: dict[str, bytes]
) -> None:
    settings = {"data_dir": str(tmp_path / "data"), "models_cache": str(models_cache), "offline": "1"}
    with running(tmp_path / "log", **settings) as service:
        names = {"name": "pets", "classes": ["cat", "rocket"]}
        assert httpx.post(f"{service.url}/datasets", json=names).status_code == 201
        assert len(decoders_of(service)) == 1
        answered, done = threading.Semaphore(0), threading.Event()

        def call(number: int) -> list[httpx.Response]:
            name, image = ("cat", "chelsea") if number % 2 else ("rocket", "rocket")
            responses = []
            with httpx.Client(timeout=60) as client:
                while not done.is_set():
                    new = photographs[image] + f"{number} {len(responses)}".encode()  # unlike any before
                    data = {"dataset": "pets", "branches": "full"}
                    responses.append(client.post(f"{service.url}/classify", files={"image": ("a", new)}, data=data))
                    answered.release()
                    if responses[-1].status_code == 200:
                        assert responses[-1].json()["label"] == name
            return responses

        with ThreadPoolExecutor(CALLERS) as pool:
            calls = [pool.submit(call, number) for number in range(CALLERS)]
            try:
                kill_decoders(service, answered)
            finally:
                done.set()
            responses = [response for each in calls for response in each.result()]
        refused = [response.json() for response in responses if response.status_code != 200]
        assert len(refused) <= KILLS
        assert all((problem["status"], problem["code"]) == (422, "image_unreadable") for problem in refused)
        assert len(responses) >= KILLS * CALLERS
        left = decoders_of(service)
        assert len(left) == 1
        assert service.stop() == 0
        assert not left[0].is_running()
        warned = [line for line in service.log_lines() if line["message"] == "a decoder process was replaced"]
        assert all(len(str(line["sha256"])) == 64 and line["request_id"] for line in warned)
    assert "Traceback" not in (tmp_path / "log").read_text()
