"""The bytes of one hub file, continued where an earlier try ended."""

import time
from dataclasses import dataclass
from pathlib import Path

from service.errors import DownloadFailed
from service.models.catalog import safe_name
from service.models.weights.digest import git_blob_sha1, sha256_of
from service.models.weights.progress import Progress

TIMEOUT_S = 30.0  # for the hub to answer, and between two pieces of a file
_WAITS_S = (0.0, 0.5, 2.0)  # before the next try, while no byte arrives
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """`sha256` is known of LFS files and of locked ones, `git_sha1` of the others; a poor mirror may name neither."""

    name: str
    size_bytes: int
    sha256: str | None = None
    git_sha1: str | None = None

    def __post_init__(self) -> None:
        safe_name(self.name)

    def difference(self, path: Path) -> str | None:
        """What is wrong with a local copy; None if nothing is. Raises: OSError if there is none."""
        if (size_bytes := path.stat().st_size) != self.size_bytes:
            return f"expected {self.size_bytes} bytes, found {size_bytes}"
        if self.sha256 is not None:
            found = sha256_of(path)
            return None if found == self.sha256 else f"expected sha256 {self.sha256}, found {found}"
        if self.git_sha1 is not None:
            found = git_blob_sha1(path)
            return None if found == self.git_sha1 else f"expected git sha1 {self.git_sha1}, found {found}"
        return None


@dataclass(frozen=True)
class Transfer:
    """From one repository at one commit. `endpoint` None is huggingface_hub's default; without a token none is sent."""

    endpoint: str | None
    token: str | None
    repo: str
    commit: str
    progress: Progress

    def what(self, file: RemoteFile) -> str:
        return f"{file.name} of the hub repository {self.repo} at commit {self.commit}"

    def label(self, file: RemoteFile) -> str:
        return f"{self.repo}/{file.name}"

    def run(self, file: RemoteFile, target: Path) -> None:
        """Append to `target` until it has the file's size, with any number of tries that bring bytes, few that do not.

        Raises:
            DownloadFailed: the hub refuses or cannot be reached; what came stays in `target`.
            OSError: `target` cannot be written.
        """
        if size_of(target) > file.size_bytes:
            target.unlink()
        fruitless = 0
        while not target.exists() or size_of(target) < file.size_bytes:
            had_bytes, reason = size_of(target), "the connection ended early"
            try:
                self._stream(file, target, had_bytes)
            except _RefusedError as error:
                reason = f"the hub answered {error.status}"
                if error.is_final:
                    raise download_failed(self.what(file), reason) from None
            except (transport_error(), ConnectionError) as error:
                reason = f"the connection failed ({first_line(error)})"
            fruitless = 0 if size_of(target) > had_bytes else fruitless + 1
            if fruitless > len(_WAITS_S):
                raise download_failed(self.what(file), f"{reason} at byte {size_of(target)} of {file.size_bytes}")
            if fruitless:
                time.sleep(_WAITS_S[fruitless - 1])

    def _stream(self, file: RemoteFile, target: Path, had_bytes: int) -> None:
        from huggingface_hub import get_session, hf_hub_url

        url = hf_hub_url(self.repo, file.name, revision=self.commit, endpoint=self.endpoint)
        # identity: a resumed range must count the bytes of the file itself
        headers = {"accept-encoding": "identity", "user-agent": "l2r2"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        if had_bytes:
            headers["range"] = f"bytes={had_bytes}-"
        with get_session().stream("GET", url, headers=headers, timeout=TIMEOUT_S) as response:
            if response.status_code >= 400:
                raise _RefusedError(response.status_code)
            resumed = had_bytes > 0 and response.status_code == 206
            size_bytes = had_bytes if resumed else 0
            self.progress.advance(self.label(file), size_bytes - had_bytes)
            with target.open("ab" if resumed else "wb") as part:
                for chunk in response.iter_bytes(_CHUNK_BYTES):
                    part.write(chunk)
                    self.progress.advance(self.label(file), len(chunk))
                    size_bytes += len(chunk)
                    if size_bytes > file.size_bytes:  # the check that follows refuses it; no need to fill the disk
                        break


class _RefusedError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
        self.is_final = status < 500 and status not in (408, 429)


def transport_error() -> type[Exception]:
    """The base error of the HTTP library beneath huggingface_hub: httpx before version 2, httpx2 since."""
    from huggingface_hub import errors

    base: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]  # the one name that both versions share
    return base


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def download_failed(what: str, reason: str) -> DownloadFailed:
    return DownloadFailed(
        f"{what} cannot be downloaded: {reason}. Check the network and the settings L2R2_HUB_ENDPOINT and "
        "L2R2_REVISIONS, or copy a filled models_cache folder from another machine"
    )
