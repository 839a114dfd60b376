"""Which pictures a command line means: files, folders, and patterns that no shell expanded."""

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path

from service.errors import FileMissing


def pictures_of(arguments: Iterable[str]) -> list[str]:
    """Each once, in the order given; those of a folder (and of the folders in it) or a pattern in that of their names.
    A file that is named counts whatever its name says, others if it says that they are pictures.

    Raises:
        FileMissing: an argument that stands for nothing.
    """
    found: dict[str, None] = {}
    for argument in arguments:
        paths = list(_meant(argument))
        if not paths:
            raise FileMissing(f"{argument} is no file, and no folder or pattern with pictures in it")
        found.update(dict.fromkeys(paths))
    return list(found)


def _meant(argument: str) -> Iterator[str]:
    path = Path(argument)
    if path.is_dir():
        yield from _in_folder(path)
    elif path.exists():
        yield argument
    elif glob.has_magic(argument):
        for match in sorted(glob.iglob(argument, recursive=True)):  # noqa: PTH207 (absolute patterns too)
            if Path(match).is_file() and is_picture(match):
                yield match


def _in_folder(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and is_picture(path.name) and not path.name.startswith("."):
            yield str(path)


def is_picture(name: str) -> bool:
    from service.evaluation.labelled import SUFFIXES

    return Path(name).suffix.lower() in SUFFIXES
