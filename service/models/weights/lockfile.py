"""`weights.lock.json`: the commit and the sha256 of every file of every hub model, as they were at the first pull."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from service.errors import WeightsError
from service.models.weights.digest import ExpectedFile
from service.models.weights.files import write_json

LOCK_NAME = "weights.lock.json"
_VERSION = 1


@dataclass(frozen=True)
class LockedModel:
    """`revision` is what was asked for (a branch, tag or commit), `commit` what it was at that moment."""

    repo: str
    revision: str
    commit: str
    files: tuple[ExpectedFile, ...]

    def __post_init__(self) -> None:
        if not self.files or not self.commit.isalnum() or not self.repo or not self.revision:
            raise ValueError("a locked model needs its repository, revision, commit and files")

    def agrees_with(self, repo: str, pinned: str | None) -> bool:
        """Is this what the settings ask for? A pin is the pull's branch or tag, or its commit, also in a short form."""
        short = pinned is not None and len(pinned) >= 7 and self.commit.startswith(pinned)
        return self.repo == repo and (pinned is None or pinned == self.revision or short)


def read_lock(cache_dir: Path) -> Mapping[str, LockedModel]:
    """Every locked model by name; none if there is no lock file yet.

    Raises:
        WeightsError: the lock file cannot be read or is damaged.
    """
    path = cache_dir / LOCK_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != _VERSION:
            raise ValueError(f"its version is {content['version']}, this program knows {_VERSION}")
        return {name: _model(row) for name, row in content["models"].items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"the lock file {path} cannot be used ({type(error).__name__}: {error}); restore it from a copy, or delete "
            "it and run `l2r2 models pull` to record the weights anew"
        ) from error


def record(cache_dir: Path, name: str, model: LockedModel) -> None:
    """Write or replace one model's entry; entries that other processes write meanwhile are kept. Raises: OSError."""
    path = cache_dir / LOCK_NAME
    with FileLock(cache_dir / ".locks" / (LOCK_NAME + ".lock")):
        models = {**read_lock(cache_dir), name: model}
        write_json(path, {"version": _VERSION, "models": {key: _row(row) for key, row in models.items()}})


def _model(row: Mapping[str, Any]) -> LockedModel:
    files = tuple(ExpectedFile(name, file["sha256"], file["size_bytes"]) for name, file in sorted(row["files"].items()))
    return LockedModel(row["repo"], row["revision"], row["commit"], files)


def _row(model: LockedModel) -> dict[str, Any]:
    files = {file.name: {"sha256": file.sha256, "size_bytes": file.size_bytes} for file in model.files}
    return {"repo": model.repo, "revision": model.revision, "commit": model.commit, "files": files}
