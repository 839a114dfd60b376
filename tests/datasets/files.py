"""What happens to a database's file from outside."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NOBODY = 65534


@contextmanager
def small_disk(size_bytes: int) -> Iterator[Path | None]:
    """A folder on a file system of its own with so much room; None where this process may not mount one."""
    folder = Path(tempfile.mkdtemp())
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    try:
        mounted = shutil.which("mount") is not None and subprocess.run(command, capture_output=True).returncode == 0
        try:
            yield folder if mounted else None
        finally:
            if mounted:
                subprocess.run(["umount", "--lazy", str(folder)], check=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fill(folder: Path, left_bytes: int = 0) -> Path:
    """Take all room of the folder's disk but so much."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(4096))
    os.truncate(ballast, max(0, ballast.stat().st_size - left_bytes))
    return ballast


@contextmanager
def without_rights() -> Iterator[Path]:
    """As a user whom permissions bind, in a folder that he may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(folder, ignore_errors=True)
