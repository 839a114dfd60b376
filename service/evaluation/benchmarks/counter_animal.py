"""CounterAnimal (Wang et al., NeurIPS 2024): 45 animals on a common and on a rarer background.

`LAION-final/<ImageNet index> <name>/{common, counter}-<background>/*.jpg`, as its users' loaders describe the archive;
`easy` and `hard` or `rare`, the words of the paper's versions, are understood as well. Classes are named as in the
folders' names. The 45 of them are the class list, as the accuracies of the paper's table 6 suggest; CounterAnimal's own
authors compare with all of ImageNet-1k. The background's name is kept as metadata.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from service.errors import FileUnreadable
from service.evaluation.benchmarks.layout import (
    BenchmarkData,
    benchmark_data,
    folders_in,
    missing,
    pictures_in,
)
from service.evaluation.labelled import Labelled

SPLITS = ("all", "common", "rare")
LAYOUT = "LAION-final/<ImageNet index> <name>/{common, counter}-<background>/*.jpg"
PROMPTS = ("animal", "bird", "insect", "reptile")  # asked as one averaged embedding: appendix B.1
PARTS: Mapping[str, str] = {"common": "common", "easy": "common", "counter": "rare", "rare": "rare", "hard": "rare"}
CLASS_FOLDER = re.compile(r"\d+[ _-]+(\S.*)")


def read(folder: Path, split: str) -> BenchmarkData:
    inner = folder / "LAION-final"
    root = inner if inner.is_dir() else folder
    classes = {path: name[1] for path in folders_in(root) if (name := CLASS_FOLDER.fullmatch(path.name))}
    if not classes:
        raise missing(inner, LAYOUT)
    names = {path: " ".join(name.replace("_", " ").split()) for path, name in classes.items()}
    pictures = [one for path, name in names.items() for one in _pictures(path, name) if split in ("all", one.part)]
    return benchmark_data(pictures, dict.fromkeys(names.values()), PROMPTS, "averaged")


def _pictures(folder: Path, label: str) -> Iterator[Labelled]:
    for place in folders_in(folder):
        group, background = (*re.split(r"[ _-]+", place.name, maxsplit=1), "")[:2]
        if group.lower() not in PARTS:
            raise FileUnreadable(f"{place} begins with none of {', '.join(PARTS)}")
        metadata = {"background": background} if background else {}
        for path in pictures_in(place):
            yield Labelled(path, label, PARTS[group.lower()], metadata=metadata)
