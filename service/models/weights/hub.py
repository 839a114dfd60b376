"""A model hub: which files a repository has at a revision, and their bytes.

huggingface_hub resolves names, speaks to the hub and keeps the user's proxy and certificates. Its own file download is
not used: since 2.0 it starts a broken file again from nothing, and it writes caches outside the models cache.
"""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from service.errors import WeightsMismatch
from service.models.catalog import HubSource
from service.models.weights.progress import Progress
from service.models.weights.transfer import (
    TIMEOUT_S,
    RemoteFile,
    Transfer,
    download_failed,
    first_line,
    size_of,
    transport_error,
)

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

_PICKLED = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_WEIGHTS = (".safetensors", ".onnx", *_PICKLED)


@dataclass(frozen=True)
class Snapshot:
    """Chosen files of a repository at one commit."""

    commit: str
    files: tuple[RemoteFile, ...]


class Hub:
    """`endpoint` None is huggingface_hub's default. A token is sent only if one is given: the catalog's are public."""

    def __init__(self, endpoint: str | None, token: str | None, progress: Progress) -> None:
        self._endpoint = endpoint.rstrip("/") if endpoint else None
        self._token = token
        self._progress = progress

    def snapshot(self, source: HubSource, revision: str) -> Snapshot:
        """Resolve a branch, tag or commit and choose the files. Raises: DownloadFailed."""
        from huggingface_hub.errors import HfHubHTTPError

        where = f"revision {revision} of the hub repository {source.repo}"
        try:
            info = self._model_info(source.repo, revision)
            files = [_remote_file(sibling) for sibling in info.siblings or ()]
            if not info.sha or not info.sha.isalnum():
                raise ValueError("it names no commit")
        except HfHubHTTPError as error:
            reason = f"the hub answered {error.response.status_code} ({first_line(error)})"
            raise download_failed(where, reason) from error
        except (transport_error(), OSError) as error:
            raise download_failed(where, f"the hub cannot be reached ({first_line(error)})") from error
        except (ValueError, KeyError, TypeError) as error:
            raise download_failed(where, f"the hub's answer cannot be understood ({error!r})") from error
        return Snapshot(info.sha, _choose(files, source, where))

    def download(self, repo: str, commit: str, file: RemoteFile, target: Path) -> None:
        """Bring `target` to the whole file; a part of it from an earlier try is continued.

        Raises:
            DownloadFailed: the hub cannot be reached or does not have the file; the part that came is kept.
            WeightsMismatch: the bytes differ from what was announced or locked; nothing is kept.
            OSError: `target` cannot be written.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        transfer = Transfer(self._endpoint, self._token, repo, commit, self._progress)
        self._progress.start(transfer.label(file), file.size_bytes)
        had_bytes = size_of(target)
        self._progress.advance(transfer.label(file), had_bytes)
        transfer.run(file, target)
        difference = file.difference(target)
        if difference is not None and had_bytes:  # the part from the earlier try may be what is bad
            target.unlink()
            transfer.run(file, target)
            difference = file.difference(target)
        if difference is not None:
            target.unlink()
            raise WeightsMismatch(
                f"{transfer.what(file)} is not the expected file: {difference}. Nothing was kept. Check hub mirrors "
                "and proxies between here and the hub, then start again"
            )
        self._progress.finish(transfer.label(file))

    def _model_info(self, repo: str, revision: str) -> "ModelInfo":
        from huggingface_hub import HfApi, constants

        # Left on, the client fetches a list of agents from a fixed address into the home folder and sends versions.
        constants.HF_HUB_DISABLE_TELEMETRY = True
        api = HfApi(endpoint=self._endpoint, token=self._token or False, library_name="l2r2")
        return api.model_info(repo, revision=revision, files_metadata=True, timeout=TIMEOUT_S)


def _remote_file(sibling: "RepoSibling") -> RemoteFile:
    if sibling.size is None:
        raise ValueError(f"no size of {sibling.rfilename}")
    sha256 = sibling.lfs.sha256 if sibling.lfs is not None else None
    return RemoteFile(sibling.rfilename, sibling.size, sha256, sibling.blob_id)


def _choose(files: Sequence[RemoteFile], source: HubSource, where: str) -> tuple[RemoteFile, ...]:
    chosen = [file for file in files if any(fnmatch.fnmatchcase(file.name, pattern) for pattern in source.include)]
    if any(file.name.endswith(".safetensors") for file in chosen):
        chosen = [file for file in chosen if PurePosixPath(file.name).suffix not in _PICKLED]
    if not any(file.name.endswith(_WEIGHTS) for file in chosen):
        raise download_failed(where, f"it has no weights among its files that match {', '.join(source.include)}")
    return tuple(sorted(chosen, key=lambda file: file.name))
