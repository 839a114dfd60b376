"""What the loaders share: lists of files, never a picture's bytes, and errors that name what is missing."""

import csv
import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import FileMissing, FileUnreadable, PackageMissing
from service.evaluation.labelled import SUFFIXES, Labelled
from service.models.ports import PromptMode
from service.recognition.boxes import Box

PAPER_TEMPLATE = "A photo of a {}"  # section 4.3


@dataclass(frozen=True)
class BenchmarkData:
    """The pictures of one split, and the class list with the paper's settings."""

    pictures: tuple[Labelled, ...]
    spec: DatasetSpec


def benchmark_data(
    pictures: Iterable[Labelled], names: Iterable[str], prompts: tuple[str, ...] = (), mode: PromptMode | None = None
) -> BenchmarkData:
    """`names` are the classes, `prompts` what the localizer looks for; none leaves that to the localizer's habit."""
    classes = tuple(ClassEntry(name) for name in names)
    spec = DatasetSpec(classes, (PAPER_TEMPLATE,), localizer_prompts=prompts, localizer_prompt_mode=mode)
    return BenchmarkData(tuple(pictures), spec)


def missing(what: Path, layout: str) -> FileMissing:
    return FileMissing(f"{what} is missing; expected: {layout}")


def found(candidates: Sequence[Path], layout: str) -> Path:
    """The first that exists.

    Raises:
        FileMissing: none does; names the first and the expected layout.
    """
    for path in candidates:
        if path.exists():
            return path
    raise missing(candidates[0], layout)


def root_with(folder: Path, inner: Sequence[str], holds: str, layout: str) -> Path:
    """`folder`, or the one of its subfolders `inner` that archives unpack to, whichever has an entry `holds`."""
    return found([place / holds for place in (folder, *(folder / name for name in inner))], layout).parent


def folders_in(folder: Path) -> list[Path]:
    return _entries(folder, files=False)


def pictures_in(folder: Path) -> list[Path]:
    """Pictures directly in `folder`, by name."""
    return [path for path in _entries(folder, files=True) if path.suffix.lower() in SUFFIXES]


def _entries(folder: Path, files: bool) -> list[Path]:
    with os.scandir(folder) as entries:
        names = [
            entry.name for entry in entries if entry.name[0] != "." and (entry.is_file() if files else entry.is_dir())
        ]
    return [folder / name for name in sorted(names)]


def all_present(pictures: Sequence[Labelled], list_of_them: Path) -> Sequence[Labelled]:
    """Every folder is listed once: a look at each of 50,000 files takes long on a network drive.

    Raises:
        FileUnreadable: a listed picture does not exist.
    """
    folders = {one.path.parent for one in pictures}
    names = {folder: {path.name for path in folder.iterdir()} for folder in folders if folder.is_dir()}
    absent = [one.path for one in pictures if one.path.name not in names.get(one.path.parent, ())]
    if absent:
        raise FileUnreadable(f"{list_of_them} lists {len(absent)} pictures that are missing, the first {absent[0]}")
    return pictures


def fields(path: Path, count: int, layout: str) -> list[list[str]]:
    """The lines of a text file, each as `count` words; the last holds the rest of its line.

    Raises:
        FileMissing, FileUnreadable: no such file, or a line with fewer words.
    """
    rows = [line.split(maxsplit=count - 1) for line in text(path, layout).splitlines() if line.strip()]
    for number, row in enumerate(rows, 1):
        if len(row) < count:
            raise FileUnreadable(f"{path}, line {number}: {count} words are expected, not {' '.join(row)!r}")
        row[-1] = row[-1].strip()
    return rows


def text(path: Path, layout: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise missing(path, layout) from None
    except (OSError, ValueError) as error:
        raise FileUnreadable(f"{path} cannot be read: {error}") from None


def csv_rows(path: Path, layout: str) -> list[list[str]]:
    """The rows of a table, its head first.

    Raises:
        FileMissing, FileUnreadable: no such file, or no table in it.
    """
    try:
        return [row for row in csv.reader(StringIO(text(path, layout))) if row]
    except csv.Error as error:
        raise FileUnreadable(f"{path} cannot be read: {error}") from None


def matlab(path: Path, variable: str, layout: str) -> list[Any]:
    """The entries of one variable of a MATLAB file.

    Raises:
        FileMissing, FileUnreadable (also without such a variable), PackageMissing (scipy).
    """
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ModuleNotFoundError:
        raise PackageMissing("MATLAB files are read by scipy: pip install '.[evaluate]'") from None
    if not path.is_file():
        raise missing(path, layout)
    try:
        values = loadmat(path, squeeze_me=True)[variable]
    except (OSError, ValueError, TypeError, LookupError, NotImplementedError, MatReadError, zlib.error) as error:
        raise FileUnreadable(f"{path} cannot be read: {error}") from None
    return list(values.ravel()) if hasattr(values, "ravel") else [values]


def box_of(edges: Sequence[Any], origin: float = 0.0) -> Box | None:
    """`edges` x0, y0, x1, y1; `origin`: number of the first pixel, where x1 and y1 are numbers of the last. None for a
    box without area: published annotations have a few slips, and the pictures are good without.

    Raises:
        ValueError: an edge is no number.
    """
    x0, y0, x1, y1 = (float(edge) for edge in edges)
    return Box(x0 - origin, y0 - origin, x1, y1) if x1 > x0 - origin and y1 > y0 - origin else None


def largest(boxes: Iterable[Box | None]) -> Box | None:
    """Of a picture's several objects the largest: one view shows one object."""
    return max((box for box in boxes if box is not None), key=lambda box: box.area, default=None)
