"""Weights from a hub: recorded at the first pull, the same ever after."""

import json
import os
from pathlib import Path

import pytest
from fake_hub import FIRST, REPO, SECOND, FakeHub

from service.errors import DownloadFailed, WeightsError, WeightsMismatch, WeightsMissing
from service.models.catalog import HubSource, Model
from service.models.weights import WeightsStore

BIG = bytes(range(256)) * 12_000  # some chunks of a download
FILES = {"config.json": b'{"a": 1}', "model.safetensors": BIG, "pytorch_model.bin": b"pickle", "README.md": b"no"}
WANTED = {"config.json", "model.safetensors"}


@pytest.fixture
def store(cache: Path, hub: FakeHub) -> WeightsStore:
    hub.publish(REPO, dict(FILES))
    return WeightsStore(cache, offline=False, hub_endpoint=hub.url)


def offline(cache: Path, **pins: str) -> WeightsStore:
    return WeightsStore(cache, offline=True, revisions=pins)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_first_pull_takes_what_is_needed_and_records_it(
    store: WeightsStore, cache: Path, hub: FakeHub, hub_model: Model
) -> None:
    folder = store.folder(hub_model)
    assert folder == cache / "eyes" / FIRST
    assert contents(folder) == {name: FILES[name] for name in WANTED}
    entry = json.loads((cache / "weights.lock.json").read_text())["models"]["eyes"]
    assert (entry["repo"], entry["revision"], entry["commit"]) == (REPO, "main", FIRST)
    assert entry["files"]["config.json"]["size_bytes"] == 8
    assert entry["files"].keys() == WANTED
    assert not (cache / ".partial" / "eyes").exists()


def test_later_starts_need_no_network_and_stay_at_the_commit(
    store: WeightsStore, cache: Path, hub: FakeHub, hub_model: Model
) -> None:
    folder = store.folder(hub_model)
    hub.publish(REPO, {**FILES, "config.json": b"new"}, commit=SECOND)
    asked = len(hub.infos_seen) + len(hub.files_seen)
    assert store.folder(hub_model) == folder
    assert offline(cache).folder(hub_model) == folder
    assert len(hub.infos_seen) + len(hub.files_seen) == asked
    assert [check.state for check in store.verify(hub_model)] == ["present", "present"]


def test_pickled_weights_are_taken_only_where_there_is_nothing_else(
    store: WeightsStore, hub: FakeHub, hub_model: Model
) -> None:
    hub.publish(REPO, {"config.json": b"{}", "pytorch_model.bin": b"pickle"})
    assert contents(store.folder(hub_model)) == {"config.json": b"{}", "pytorch_model.bin": b"pickle"}


def test_a_repository_without_weights_is_refused(store: WeightsStore, hub: FakeHub, hub_model: Model) -> None:
    hub.publish(REPO, {"config.json": b"{}"})
    with pytest.raises(DownloadFailed, match=r"lab/eyes.*no weights.*\*\.safetensors"):
        store.folder(hub_model)


@pytest.mark.parametrize("change", [b"x", BIG[:-1], BIG[:-1] + b"x"], ids=["replaced", "truncated", "one byte"])
def test_a_file_that_differs_is_refused_and_left_alone(
    store: WeightsStore, cache: Path, hub_model: Model, change: bytes
) -> None:
    weights = store.folder(hub_model) / "model.safetensors"
    weights.write_bytes(change)
    for later in (store, offline(cache)):
        with pytest.raises(WeightsMismatch, match=r"model\.safetensors.*expected.*found.*l2r2 models pull eyes"):
            later.folder(hub_model)
    assert weights.read_bytes() == change
    assert {check.expected.name: check.state for check in store.verify(hub_model)} == {
        "config.json": "present",
        "model.safetensors": "mismatch",
    }


def test_verify_trusts_no_memory_of_earlier_hashing(store: WeightsStore, cache: Path, hub_model: Model) -> None:
    weights = store.folder(hub_model) / "model.safetensors"
    before = weights.stat()
    with weights.open("r+b") as stream:
        stream.write(b"!")
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))  # somebody hides a change
    store.folder(hub_model)
    assert [check.state for check in store.verify(hub_model)] == ["present", "mismatch"]
    (cache / "eyes" / f"{FIRST}.verified.json").write_text("damaged")
    with pytest.raises(WeightsMismatch):
        store.folder(hub_model)


def test_a_deleted_file_is_fetched_again_at_the_locked_commit(
    store: WeightsStore, cache: Path, hub: FakeHub, hub_model: Model
) -> None:
    folder = store.folder(hub_model)
    (folder / "config.json").unlink()
    assert store.status(hub_model).state == "missing"
    with pytest.raises(WeightsMissing, match=r"config\.json.*lab/eyes.*l2r2 models pull eyes.*L2R2_OFFLINE"):
        offline(cache).folder(hub_model)
    hub.files_seen.clear()
    hub.publish(REPO, {**FILES, "config.json": b"newer"}, commit=SECOND)
    store.folder(hub_model)
    assert hub.paths_seen() == ["config.json"]
    assert (folder / "config.json").read_bytes() == FILES["config.json"]


def test_a_hub_that_changed_its_history_is_refused(store: WeightsStore, hub: FakeHub, hub_model: Model) -> None:
    folder = store.folder(hub_model)
    (folder / "config.json").unlink()
    hub.commits[REPO][FIRST]["config.json"] = b'{"a": 2}'
    with pytest.raises(WeightsMismatch, match=r"config\.json of the hub repository lab/eyes.*expected sha256.*found"):
        store.folder(hub_model)
    assert not (folder / "config.json").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"], ids=["lfs", "git"])
def test_bytes_that_differ_from_the_announced_digest_are_refused(
    store: WeightsStore, cache: Path, hub: FakeHub, hub_model: Model, name: str
) -> None:
    hub.announce[name] = FILES[name][:-1] + b"?"
    with pytest.raises(WeightsMismatch, match=rf"{name}.*expected .*sha.*found"):
        store.folder(hub_model)
    assert not (cache / "weights.lock.json").exists()
    assert store.status(hub_model).state == "missing"


def test_more_bytes_than_announced_are_refused(store: WeightsStore, hub: FakeHub, hub_model: Model) -> None:
    hub.announce_size["model.safetensors"] = 1000
    with pytest.raises(WeightsMismatch, match="expected 1000 bytes"):
        store.folder(hub_model)


def test_a_mirror_without_digests_is_recorded_as_it_is(store: WeightsStore, hub: FakeHub, hub_model: Model) -> None:
    hub.no_digests = True
    assert contents(store.folder(hub_model)).keys() == WANTED


def test_a_pin_decides_the_first_pull_and_a_new_pin_pulls_anew(cache: Path, hub: FakeHub, hub_model: Model) -> None:
    def pinned(revision: str) -> WeightsStore:
        return WeightsStore(cache, offline=False, hub_endpoint=hub.url, revisions={REPO: revision})

    hub.publish(REPO, dict(FILES), commit=FIRST, branch="v1")
    hub.publish(REPO, {**FILES, "config.json": b"second"}, commit=SECOND)
    assert pinned("v1").folder(hub_model).name == FIRST
    first = pinned(FIRST).revision(hub_model)  # a commit agrees with itself, whole or short, without a look at the hub
    assert pinned(FIRST[:9]).folder(hub_model).name == FIRST
    assert len(hub.infos_seen) == 1
    with pytest.raises(WeightsMissing, match=f"{SECOND}.*{FIRST}"):
        offline(cache, **{REPO: SECOND}).folder(hub_model)
    assert pinned(SECOND).folder(hub_model).name == SECOND
    assert pinned(SECOND).revision(hub_model) != first
    hub.files_seen.clear()
    assert pinned("v1").folder(hub_model).name == FIRST  # back again: what is still there is not downloaded
    assert hub.files_seen == []


def test_what_the_hub_does_not_have_is_named(cache: Path, hub: FakeHub, hub_model: Model) -> None:
    with pytest.raises(DownloadFailed, match=r"lab/eyes.*404.*L2R2_HUB_ENDPOINT"):
        WeightsStore(cache, offline=False, hub_endpoint=hub.url).folder(hub_model)
    hub.publish(REPO, dict(FILES))
    with pytest.raises(DownloadFailed, match=r"revision v9 of the hub repository lab/eyes.*404"):
        WeightsStore(cache, offline=False, hub_endpoint=hub.url, revisions={REPO: "v9"}).folder(hub_model)
    hub.status["model.safetensors"] = 403
    with pytest.raises(DownloadFailed, match=r"model\.safetensors of the hub repository lab/eyes.*answered 403"):
        WeightsStore(cache, offline=False, hub_endpoint=hub.url).folder(hub_model)


def test_an_unreachable_hub_is_said_so(cache: Path, hub_model: Model) -> None:
    with FakeHub() as gone:
        url = gone.url
    with pytest.raises(DownloadFailed, match=r"lab/eyes.*cannot be reached.*copy a filled models_cache"):
        WeightsStore(cache, offline=False, hub_endpoint=url).folder(hub_model)


def test_offline_asks_nobody(cache: Path, hub: FakeHub, hub_model: Model) -> None:
    hub.publish(REPO, dict(FILES))
    store = WeightsStore(cache, offline=True, hub_endpoint=hub.url)
    for ask in (store.folder, store.verify, store.revision):
        with pytest.raises(WeightsMissing, match=r"no entry.*lab/eyes.*L2R2_OFFLINE"):
            ask(hub_model)
    assert store.status(hub_model).state == "missing"
    assert hub.infos_seen == hub.files_seen == []
    assert not cache.exists()


def test_a_download_that_cannot_fit_is_refused_before_it_starts(
    store: WeightsStore, hub: FakeHub, hub_model: Model
) -> None:
    hub.announce_size["model.safetensors"] = 10**18
    with pytest.raises(WeightsError, match=r"disk of .* is full.*10+.* bytes are needed"):
        store.folder(hub_model)
    assert hub.files_seen == []


@pytest.mark.parametrize("name", ["../evil.safetensors", "/evil.safetensors", "a/../../evil.safetensors", "a\\b.bin"])
def test_a_hub_cannot_write_outside_the_cache(store: WeightsStore, hub: FakeHub, hub_model: Model, name: str) -> None:
    hub.publish(REPO, {name: b"evil"})
    with pytest.raises(DownloadFailed, match="not a plain relative file name"):
        store.folder(hub_model)


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"version": 2, "models": {}}', '{"version": 1, "models": {"eyes": {"repo": "lab/eyes"}}}'],
)
def test_a_damaged_lock_file_stops_with_its_name(
    store: WeightsStore, cache: Path, hub_model: Model, content: str
) -> None:
    store.folder(hub_model)
    (cache / "weights.lock.json").write_text(content)
    with pytest.raises(WeightsError, match=r"weights\.lock\.json cannot be used.*delete it"):
        store.folder(hub_model)


def test_files_without_their_lock_entry_are_recognized_and_not_downloaded(
    store: WeightsStore, cache: Path, hub: FakeHub, hub_model: Model
) -> None:
    folder = store.folder(hub_model)
    (cache / "weights.lock.json").unlink()
    hub.files_seen.clear()
    assert store.folder(hub_model) == folder
    assert hub.files_seen == []


def test_the_client_reports_nothing_and_writes_only_into_the_cache(
    store: WeightsStore, tmp_path: Path, cache: Path, hub: FakeHub, hub_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    store.folder(hub_model)
    agents = {seen.headers.get("user-agent", seen.headers.get("User-Agent", "")) for seen in hub.infos_seen}
    assert all("torch" not in agent and "agent/" not in agent for agent in agents)
    assert hub.strays == []
    assert all("authorization" not in {key.lower() for key in seen.headers} for seen in hub.infos_seen + hub.files_seen)
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "home"}
    assert list(home.iterdir()) == []


def test_a_token_is_sent_only_if_one_is_given(cache: Path, hub: FakeHub, hub_model: Model) -> None:
    hub.publish(REPO, dict(FILES))
    WeightsStore(cache, offline=False, hub_endpoint=hub.url, hub_token="t0ken").folder(hub_model)
    sent = {key.lower(): value for key, value in hub.infos_seen[0].headers.items()}
    assert sent["authorization"] == "Bearer t0ken"


def test_two_models_share_one_lock_file(store: WeightsStore, cache: Path, hub: FakeHub, hub_model: Model) -> None:
    other = Model("ears", "encoder", "open_clip", HubSource("lab/ears", ("*.safetensors",)), "MIT", None, "")
    hub.publish("lab/ears", {"m.safetensors": b"ears"})
    store.folder(hub_model)
    store.folder(other)
    assert json.loads((cache / "weights.lock.json").read_text())["models"].keys() == {"eyes", "ears"}
    assert store.status(hub_model).state == store.status(other).state == "present"
    assert store.status(other).commit == FIRST
