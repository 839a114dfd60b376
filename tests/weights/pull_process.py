"""Run as a process of its own: `pull_process.py MODE CACHE URL`. Prints a line for every piece that was written.

`pull` ensures the model. `read_only` does so offline, `read_only_pull` online, after giving up root's right to write
anywhere. `crash` ensures it in forks that each kill themselves before the n-th change of the file system, for every n,
and judges what is left.
"""

import ctypes
import logging
import os
import signal
import sys
import traceback
from pathlib import Path

from fake_hub import REPO

from service.errors import ServiceError
from service.models.catalog import HubSource, Model
from service.models.weights import WeightsStore

MODEL = Model("eyes", "encoder", "open_clip", HubSource(REPO, ("config.json", "*.safetensors")), "MIT", None, "")
SIZES = {"config.json": 8, "model.safetensors": 30_000}
CHANGES = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate")


class PrintProgress:
    def start(self, name: str, total_bytes: int | None) -> None:
        pass

    def advance(self, name: str, size_bytes: int) -> None:
        if size_bytes:
            print(size_bytes, flush=True)  # noqa: T201

    def finish(self, name: str) -> None:
        pass


def pull(cache: Path, url: str) -> None:
    WeightsStore(cache, offline=False, hub_endpoint=url, progress=PrintProgress()).folder(MODEL)


def read_only(cache: Path, url: str) -> None:
    give_up_root(cache)
    WeightsStore(cache, offline=True).folder(MODEL)


def read_only_pull(cache: Path, url: str) -> None:
    give_up_root(cache)
    pull(cache, url)


def give_up_root(cache: Path) -> None:
    if os.geteuid() == 0 and os.environ.get("DROPPED") is None:
        # PR_CAPBSET_DROP (24) of CAP_DAC_OVERRIDE (1) and CAP_DAC_READ_SEARCH (2) counts from the next exec on
        for capability in (1, 2):
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "DROPPED": "1"})
    if os.access(cache, os.W_OK):
        sys.exit(77)


def crash(cache: Path, url: str) -> None:
    from huggingface_hub import HfApi, get_session, hf_hub_url  # noqa: F401 (so that forks need not import them)

    get_session()  # nor read the certificates again; it has no connection yet
    point = 0
    while True:
        root = cache / str(point)
        status = in_fork(root, url, point)
        if os.WIFEXITED(status):
            break
        for path in (root / "eyes").glob("*/*"):
            assert path.stat().st_size == SIZES[path.name], f"half a file in place, point {point}"
        again = in_fork(root, url, None)
        assert os.WIFEXITED(again), f"point {point}"
        assert os.WEXITSTATUS(again) == 0, f"point {point}: the next start fails"
        assert not (root / ".partial" / "eyes").exists(), f"point {point}: leftovers"
        point += 1
    assert os.WEXITSTATUS(status) == 0
    print("points", point)  # noqa: T201


def in_fork(root: Path, url: str, point: int | None) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if point is not None:
                die_before(point, root)
            WeightsStore(root, offline=False, hub_endpoint=url).folder(MODEL)
            code = 0
        except (ServiceError, OSError):
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def die_before(point: int, root: Path) -> None:
    left = point

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in CHANGES and str(arguments[0]).startswith(str(root)):
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.addaudithook(hook)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    {"pull": pull, "read_only": read_only, "read_only_pull": read_only_pull, "crash": crash}[sys.argv[1]](
        Path(sys.argv[2]), sys.argv[3]
    )
