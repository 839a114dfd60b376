"""The output folder: one run at a time, one kind of cut-outs, whole files."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from service.errors import FileUnreadable, OutputRefused
from service.evaluation.whole_files import write_whole

LOCK_FILE = ".cutout.lock"


@contextmanager
def owned(out: Path, options_file: str) -> Iterator[None]:
    """`out`, made if need be, for this run alone.

    Raises:
        OutputRefused: another run writes there, it holds other things, or (also later) it cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        strangers = {path.name for path in out.iterdir()} - {LOCK_FILE}
        if strangers and options_file not in strangers:
            raise OutputRefused(f"{out} is not empty and holds no {options_file}; choose a new folder")
        with FileLock(out / LOCK_FILE, timeout=0):
            yield
    except Timeout:
        raise OutputRefused(f"another run is writing to {out}") from None
    except OSError as error:
        raise OutputRefused(f"{out} cannot be used: {error}") from None


def keep_options(path: Path, about: Mapping[str, Any]) -> None:
    """Keep what cut-outs are made with. Raises OutputRefused where the folder was made with others; says which."""
    if not path.exists():
        write_whole(path, (json.dumps(about, indent=2) + "\n").encode())
        return
    try:
        kept = dict(json.loads(path.read_bytes()))
    except (TypeError, ValueError) as error:
        raise FileUnreadable(f"{path} cannot be read: {error}") from None
    differing = [name for name in {**kept, **about} if kept.get(name) != about.get(name)]
    if differing:
        said = "; ".join(f"{name} was {kept.get(name)!r}, now {about.get(name)!r}" for name in differing)
        raise OutputRefused(f"{path.parent} was made with other options: {said}; choose another folder")
