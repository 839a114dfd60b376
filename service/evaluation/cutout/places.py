"""Where each cut-out is put: the folders of the originals, mirrored."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from service.errors import OutputRefused
from service.evaluation.cutout.options import FORMATS
from service.evaluation.labelled import Labelled


@dataclass(frozen=True)
class Task:
    """A picture, its name below the collection's root (`original`), and its cut-out's name below the output folder."""

    picture: Labelled
    original: str
    target: str


def plan(pictures: Sequence[Labelled], data: Path, out: Path, picture_format: str) -> list[Task]:
    """Where the cut-outs of `pictures`, which were read from the folder or table `data`, go below `out`.

    Raises:
        OutputRefused: a cut-out would replace an original, or be read as one the next time.
    """
    out = out.resolve()
    if data.is_dir() and out.is_relative_to(data.resolve()):
        raise OutputRefused(f"{out} lies in {data}: its cut-outs would be read as pictures; choose another folder")
    paths = [Path(os.path.abspath(picture.path)) for picture in pictures]  # noqa: PTH100  links keep their own names
    root = _root(paths, data if data.is_dir() else data.parent)
    names = [printable(path.relative_to(root).as_posix()) for path in paths]
    targets = target_names(names, picture_format)
    replaced = {path.parent.resolve() / path.name for path in paths} & {out / target for target in targets}
    if replaced:
        raise OutputRefused(f"cut-outs in {out} would replace {min(replaced)}; choose another folder")
    return [Task(*parts) for parts in zip(pictures, names, targets, strict=True)]


def _root(paths: Sequence[Path], folder: Path) -> Path:
    """`folder`, or where pictures lie outside it, the deepest folder that holds them all."""
    folder = Path(os.path.abspath(folder))  # noqa: PTH100
    if all(path.is_relative_to(folder) for path in paths):
        return folder
    return Path(os.path.commonpath([path.parent for path in paths]))


def target_names(names: Sequence[str], picture_format: str) -> list[str]:
    """A name of its own for each of `names`, also on file systems that do not tell upper from lower case.

    A picture of the same format keeps its name, others get another suffix; where two would meet, the old one stays
    before the new one, and where that does not help, a number does.
    """
    suffixes = FORMATS[picture_format]
    short = [_renamed(PurePosixPath(name), suffixes) for name in names]
    often = Counter(name.casefold() for name in short)
    taken: set[str] = set()
    targets = []
    for name, wanted in zip(names, short, strict=True):
        base = PurePosixPath(wanted if often[wanted.casefold()] == 1 else name + suffixes[0])
        target, number = base, 1
        while str(target).casefold() in taken:
            number += 1
            target = base.with_stem(f"{base.stem}-{number}")
        taken.add(str(target).casefold())
        targets.append(str(target))
    return targets


def _renamed(name: PurePosixPath, suffixes: Sequence[str]) -> str:
    return str(name if name.suffix.lower() in suffixes else name.with_suffix(suffixes[0]))


def printable(name: str) -> str:
    """`name` with the bytes that are no UTF-8 written as `\\udcxx`, for tables that others can read."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def stamp_of(path: Path) -> str:
    """Changes when the file does; empty where there is none."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"
