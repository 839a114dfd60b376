"""Cut connections, killed processes, several processes, read-only folders: what is in place is always whole."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_hub import FIRST, REPO, FakeHub

import service
from service.errors import DownloadFailed, WeightsError
from service.models.catalog import Model
from service.models.weights import WeightsStore

BIG = bytes(range(250)) * 12_000
FILES = {"config.json": b'{"a": 1}', "model.safetensors": BIG}
Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def store(cache: Path, hub: FakeHub) -> WeightsStore:
    hub.publish(REPO, dict(FILES))
    return WeightsStore(cache, offline=False, hub_endpoint=hub.url)


@pytest.fixture
def spawn(cache: Path, hub: FakeHub) -> Iterator[Spawn]:
    """Start a real process on the same cache and hub."""
    started: list[subprocess.Popen[str]] = []
    here = Path(__file__).parent
    paths = os.pathsep.join([str(Path(service.__file__).parents[1]), str(here)])

    def start(mode: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, str(here / "pull_process.py"), mode, str(cache), hub.url],
            env={**os.environ, "PYTHONPATH": paths},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def assert_whole(folder: Path) -> None:
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES


def resumed_at(hub: FakeHub) -> list[int]:
    return [int(seen.range.removeprefix("bytes=").rstrip("-")) for seen in hub.files_seen if seen.range]


def test_a_cut_connection_is_continued_where_it_ended(store: WeightsStore, hub: FakeHub, hub_model: Model) -> None:
    hub.cut_at["model.safetensors"] = 2_000_000
    assert_whole(store.folder(hub_model))
    assert hub.paths_seen() == ["config.json", "model.safetensors", "model.safetensors"]
    assert 0 < resumed_at(hub)[0] <= 2_000_000


def test_the_next_start_continues_what_an_earlier_one_had(
    store: WeightsStore, cache: Path, hub: FakeHub, hub_model: Model
) -> None:
    hub.cut_at["model.safetensors"] = 2_000_000
    hub.status["model.safetensors"] = 403
    with pytest.raises(DownloadFailed, match="answered 403"):
        store.folder(hub_model)
    assert not (cache / "eyes").exists()
    hub.status.clear()
    hub.files_seen.clear()
    assert_whole(store.folder(hub_model))
    assert hub.paths_seen() == ["model.safetensors"]
    assert 0 < resumed_at(hub)[0] <= 2_000_000


def test_a_hub_that_knows_no_ranges_starts_the_file_again(store: WeightsStore, hub: FakeHub, hub_model: Model) -> None:
    hub.no_ranges = True
    hub.cut_at["model.safetensors"] = 2_000_000
    assert_whole(store.folder(hub_model))


def test_a_hub_that_stays_broken_is_given_up(
    store: WeightsStore, hub: FakeHub, hub_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)  # the pauses between tries, not a thing of ours
    hub.status["model.safetensors"] = 503
    with pytest.raises(DownloadFailed, match=r"answered 503 at byte 0 of 3000000"):
        store.folder(hub_model)
    assert hub.paths_seen().count("model.safetensors") == 4


@pytest.mark.parametrize("part", [b"?" * 1000, BIG + b"more"], ids=["spoilt", "too long"])
def test_a_spoilt_part_of_an_earlier_try_is_thrown_away(
    store: WeightsStore, cache: Path, hub_model: Model, part: bytes
) -> None:
    path = cache / ".partial" / "eyes" / FIRST / "model.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(part)
    assert_whole(store.folder(hub_model))


def test_a_process_killed_in_a_download_leaves_a_sound_state(
    store: WeightsStore, cache: Path, hub: FakeHub, hub_model: Model, spawn: Spawn
) -> None:
    hub.hold_at["model.safetensors"] = 2_000_000
    process = spawn("pull")
    assert process.stdout is not None
    assert hub.held.wait(60)
    while int(process.stdout.readline()) != 1 << 20:  # until a piece of the large file is written
        pass
    process.kill()
    process.wait()
    hub.release.set()
    assert not (cache / "eyes").exists()
    assert store.status(hub_model).state == "missing"
    hub.files_seen.clear()
    assert_whole(store.folder(hub_model))
    assert resumed_at(hub) == [1 << 20]
    assert not (cache / ".partial" / "eyes").exists()


@pytest.mark.thorough
def test_a_kill_before_any_change_of_the_file_system_is_survived(cache: Path, hub: FakeHub, spawn: Spawn) -> None:
    hub.publish(REPO, {**FILES, "model.safetensors": BIG[:30_000]})
    process = spawn("crash")
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert int(output.split()[1]) > 15


def test_moves_that_a_dead_process_left_are_finished_without_network(
    store: WeightsStore, cache: Path, hub_model: Model
) -> None:
    folder = store.folder(hub_model)
    part = cache / ".partial" / "eyes" / FIRST / "model.safetensors"
    part.parent.mkdir(parents=True)
    (folder / "model.safetensors").rename(part)
    assert_whole(WeightsStore(cache, offline=True).folder(hub_model))
    assert not (cache / ".partial" / "eyes").exists()


def test_leftovers_of_a_finished_pull_are_cleaned(store: WeightsStore, cache: Path, hub_model: Model) -> None:
    store.folder(hub_model)
    (cache / ".partial" / "eyes" / "wheel").mkdir(parents=True)
    store.folder(hub_model)
    assert not (cache / ".partial" / "eyes").exists()


def test_of_two_processes_one_downloads_and_one_waits(cache: Path, hub: FakeHub, spawn: Spawn) -> None:
    hub.publish(REPO, dict(FILES))
    hub.hold_at["model.safetensors"] = 1_500_000
    first = spawn("pull")
    assert hub.held.wait(60)
    second = spawn("pull")
    assert second.stderr is not None
    assert "waiting for another process that downloads eyes" in second.stderr.readline()
    hub.release.set()
    assert first.wait(60) == 0
    assert second.wait(60) == 0
    assert_whole(cache / "eyes" / FIRST)
    assert hub.paths_seen() == [
        "config.json",
        "model.safetensors",
        "model.safetensors",
    ]  # the last continues the held one
    assert second.stdout is not None
    assert second.stdout.read() == ""


def test_a_read_only_cache_that_holds_everything_works(
    store: WeightsStore, cache: Path, hub_model: Model, spawn: Spawn
) -> None:
    store.folder(hub_model)
    (cache / ".partial" / "eyes").mkdir(parents=True)  # even with leftovers
    with read_only(cache):
        process = spawn("read_only")
        _, errors = process.communicate(timeout=60)
        if process.returncode == 77:
            pytest.skip("this user may write everywhere")
        assert process.returncode == 0, errors
    (cache / "eyes" / FIRST / "config.json").unlink()
    with read_only(cache):
        process = spawn("read_only")
        _, errors = process.communicate(timeout=60)
        assert "WeightsMissing: eyes: not in" in errors


def test_a_read_only_cache_cannot_be_filled(cache: Path, hub: FakeHub, spawn: Spawn) -> None:
    hub.publish(REPO, dict(FILES))
    cache.mkdir()
    with read_only(cache):
        process = spawn("read_only_pull")
        _, errors = process.communicate(timeout=60)
        if process.returncode == 77:
            pytest.skip("this user may write everywhere")
    assert "WeightsError: weights are missing from" in errors
    assert "make it writable" in errors


class read_only:  # noqa: N801 (reads as a statement)
    def __init__(self, folder: Path) -> None:
        self._folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]

    def __enter__(self) -> None:
        for folder in self._folders:
            folder.chmod(0o555)

    def __exit__(self, *_: object) -> None:
        for folder in self._folders:
            folder.chmod(0o755)


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path, hub: FakeHub, hub_model: Model) -> None:
    hub.publish(REPO, dict(FILES))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"file/cache cannot be used"):
        WeightsStore(tmp_path / "file" / "cache", offline=False, hub_endpoint=hub.url).folder(hub_model)
