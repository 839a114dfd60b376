"""Files that are there in full or not at all."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.errors import WeightsError


def put_in_place(finished: Path, target: Path) -> None:
    """Move a finished file to its place (same file system) in one step that survives a power cut."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _sync(finished)
    finished.replace(target)
    _sync(target.parent)


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".tmp")
    draft.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    put_in_place(draft, path)


def need_room(folder: Path, size_bytes: int) -> None:
    """Refuse a download that cannot fit before it starts. Raises: WeightsError."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < size_bytes:
        raise _no_room(folder, f": {size_bytes} bytes are needed and {free_bytes} are free")


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn the file system's refusals into errors that name the folder and the way out. Raises: WeightsError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(folder, "") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise WeightsError(
                f"weights are missing from {folder} and cannot be written there ({error.strerror}); make it writable, "
                "or fill it beforehand with `l2r2 models pull`"
            ) from error
        raise WeightsError(f"the weights folder {folder} cannot be used: {error}") from error


def _no_room(folder: Path, figures: str) -> WeightsError:
    return WeightsError(
        f"the disk of {folder} is full{figures}; free some room, or set L2R2_MODELS_CACHE to a larger disk, and start "
        "again: what was downloaded is kept"
    )


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
