"""The file of keys: read whole or not at all, written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from service.access.keys import Key, Keys, words
from service.errors import FieldProblem, InvalidFields, SettingsError

OWNER_ALONE = 0o600


def read_keys(path: Path) -> tuple[Key, ...]:
    """Raises SettingsError, naming the file and what is wrong with which item; never with a word of a secret."""
    try:
        return Keys.model_validate_json(path.read_bytes()).keys
    except OSError as error:
        raise SettingsError(f"the key file {path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        faults = [f"{_place(fault['loc'])}{words(fault['msg'])}" for fault in error.errors(include_input=False)[:10]]
        raise SettingsError(f"the key file {path} is invalid: {'; '.join(faults)}") from None


def _place(steps: tuple[int | str, ...]) -> str:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")
    return f"{path}: " if path else ""


def add_key(path: Path, key: Key) -> None:
    """Raises InvalidFields where the name is taken, SettingsError for a file that cannot be read or written."""
    with _changing(path) as keys:
        if any(key.name == other.name for other in keys):
            raise InvalidFields(FieldProblem("name", f"{key.name!r} is taken; revoke it, or give another name"))
        keys.append(key)


def remove_key(path: Path, name: str) -> None:
    """Raises InvalidFields where there is none, SettingsError for a file that cannot be read or written."""
    with _changing(path) as keys:
        left = [key for key in keys if key.name != name]
        if len(left) == len(keys):
            raise InvalidFields(FieldProblem("name", f"{name!r} is no key", tuple(key.name for key in keys)))
        keys[:] = left


@contextmanager
def _changing(path: Path) -> Iterator[list[Key]]:
    """The file's keys, written back if the block ends well; one process after another."""
    path = path.resolve()  # a link stays one
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            keys = list(read_keys(path)) if path.exists() else []
            yield keys
            _write_whole(path, Keys(keys=tuple(keys)).model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise SettingsError(f"the key file {path} cannot be written: {error.strerror or error}") from None


def _write_whole(path: Path, text: str) -> None:
    """Beside it and then in its place, so that a service that reads meanwhile sees the old keys or the new."""
    handle, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # of mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(unfinished).chmod(OWNER_ALONE)
        if path.exists():  # the service may run as another user than who makes keys
            before = path.stat()
            with suppress(PermissionError):
                os.chown(unfinished, before.st_uid, before.st_gid)
        Path(unfinished).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(unfinished).unlink()
        raise
