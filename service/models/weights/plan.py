"""Where a model's files belong and what they must be: from the catalog, the lock file and the pinned revisions."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from service.errors import WeightsMissing
from service.models.catalog import FolderSource, HubSource, Model, WheelSource
from service.models.weights.digest import ExpectedFile, State
from service.models.weights.lockfile import LOCK_NAME, read_lock


@dataclass(frozen=True)
class Plan:
    """`files` is None where nothing is recorded yet, and then `unknown_because` says why. `commit`: hub models only."""

    folder: Path
    files: tuple[ExpectedFile, ...] | None
    commit: str | None = None
    unknown_because: str = ""

    def absent(self) -> list[ExpectedFile]:
        return [file for file in self.files or () if not (self.folder / file.name).exists()]

    def state_by_size(self) -> tuple[State, str]:
        for file in self.files or ():
            path = self.folder / file.name
            if path.exists() and (found := path.stat().st_size) != file.size_bytes:
                return "mismatch", f"{file.name}: expected {file.size_bytes} bytes, found {found}"
        if absent := ", ".join(file.name for file in self.absent()):
            return "missing", f"there is no {absent}"
        return "present", ""


def make_plan(cache_dir: Path, model: Model, revisions: Mapping[str, str]) -> Plan:
    """Raises: WeightsError, if the lock file is damaged."""
    match model.source:
        case WheelSource(files):
            expected = tuple(ExpectedFile(file.save_as, file.sha256, file.size_bytes) for file in files)
            return Plan(cache_dir / model.name, expected)
        case HubSource(repo):
            return _hub_plan(cache_dir, model.name, repo, revisions.get(repo))
        case FolderSource(path):
            return Plan(path, ())
        case None:
            return Plan(cache_dir, ())


def _hub_plan(cache_dir: Path, name: str, repo: str, pinned: str | None) -> Plan:
    folder = cache_dir / name
    locked = read_lock(cache_dir).get(name)
    if locked is None:
        return Plan(folder, None, unknown_because=f"{LOCK_NAME} has no entry for it")
    if not locked.agrees_with(repo, pinned):
        asked = f"{repo} at {pinned or 'any revision'}"
        return Plan(folder, None, unknown_because=f"asked for is {asked}, but locked {locked.repo} at {locked.commit}")
    return Plan(folder / locked.commit, locked.files, locked.commit)


def missing_error(model: Model, plan: Plan, offline: bool) -> WeightsMissing:
    match model.source:
        case WheelSource(files):
            source = "the package registry's " + ", ".join(sorted({f"{f.package}=={f.version}" for f in files}))
        case HubSource(repo):
            source = f"the hub repository {repo}"
        case _:
            return WeightsMissing(f"{model.name}: there is no folder {plan.folder}")
    what = ", ".join(file.name for file in plan.absent()) or f"its files ({plan.unknown_because})"
    reason = "L2R2_OFFLINE forbids to download from" if offline else "Nothing was pulled yet from"
    return WeightsMissing(
        f"{model.name}: not in {plan.folder}: {what}. {reason} {source}. Run `l2r2 models pull "
        f"{model.name}` on a connected machine and copy its models_cache folder here, or unset L2R2_OFFLINE"
    )
