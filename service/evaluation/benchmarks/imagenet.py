"""ImageNet-1k validation set (Russakovsky et al., IJCV 2015), in the forms it is commonly kept in.

Either folders by WordNet id (`val/n01440764/ILSVRC2012_val_00000293.JPEG`), or all pictures in one folder with their
labels in `LOC_val_solution.csv` (where its competition copy has them, below `ILSVRC/Data/CLS-LOC`) or in the
development kit `ILSVRC2012_devkit_t12/data`. Boxes are those of `LOC_val_solution.csv`, if it is there.

The paper asks the localizer for each picture's true label here (section 3.1); that is an evaluation's choice and not a
dataset's, so there are no localizer prompts.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from service.errors import FileUnreadable
from service.evaluation.benchmarks.layout import (
    BenchmarkData,
    benchmark_data,
    box_of,
    csv_rows,
    fields,
    folders_in,
    found,
    largest,
    matlab,
    pictures_in,
)
from service.evaluation.labelled import Labelled
from service.models.imagenet_names import imagenet_classes
from service.recognition.boxes import Box

SPLITS = ("val",)
SOLUTION = "LOC_val_solution.csv"
LAYOUT = (
    "val/<WordNet id>/*.JPEG; or val/ILSVRC2012_val_*.JPEG with LOC_val_solution.csv or "
    "ILSVRC2012_devkit_t12/data/{ILSVRC2012_validation_ground_truth.txt, meta.mat}"
)
WNID = re.compile(r"n\d{8}")
Truth = Mapping[str, tuple[str, Box | None]]  # by the picture's name without suffix: its class's WordNet id, its box


def read(folder: Path, _split: str) -> BenchmarkData:
    classes = imagenet_classes()
    place = _validation_folder(folder)
    pictures = []
    truth = _solution(folder / SOLUTION) if (folder / SOLUTION).is_file() else {}
    for path, wnid in _files(folder, place, truth):
        if wnid not in classes:
            raise FileUnreadable(f"{path}: {wnid!r} is no WordNet id of ImageNet-1k's classes")
        pictures.append(Labelled(path, classes[wnid], box=truth.get(path.stem, (wnid, None))[1]))
    return benchmark_data(pictures, classes.values())


def _validation_folder(folder: Path) -> Path:
    """Where the validation pictures are, or their folders by WordNet id."""
    if any(WNID.fullmatch(path.name) for path in folders_in(folder)):
        return folder
    places = ("val", "ILSVRC/Data/CLS-LOC/val", "Data/CLS-LOC/val", "ILSVRC2012_img_val", "ILSVRC2012/val")
    return found([folder / place for place in places], LAYOUT)


def _files(folder: Path, place: Path, truth: Truth) -> Iterator[tuple[Path, str]]:
    by_class = [path for path in folders_in(place) if WNID.fullmatch(path.name)]
    for of_class in by_class:
        yield from ((path, of_class.name) for path in pictures_in(of_class))
    if by_class:
        return
    labels = {name: wnid for name, (wnid, _) in truth.items()} or _development_kit(folder)
    for path in pictures_in(place):
        if path.stem not in labels:
            raise FileUnreadable(f"{path} has no label")
        yield path, labels[path.stem]


def _solution(table: Path) -> Truth:
    """Rows `ILSVRC2012_val_00008726,n02119789 255 142 454 329 n02119789 44 21 322 295`: a class, boxes in pixels."""
    truth = {}
    for number, row in enumerate(csv_rows(table, LAYOUT)[1:], 1):
        try:
            words = row[1].split()
            boxes = [box_of(words[start + 1 : start + 5]) for start in range(0, len(words), 5)]
            truth[row[0]] = (words[0], largest(boxes))
        except (ValueError, IndexError):
            raise FileUnreadable(f"{table}, row {number}: not `name,class x0 y0 x1 y1 …`") from None
    return truth


def _development_kit(folder: Path) -> dict[str, str]:
    kits = [folder / name / "data" for name in ("ILSVRC2012_devkit_t12", "devkit")]
    labels = found([kit / "ILSVRC2012_validation_ground_truth.txt" for kit in kits], LAYOUT)
    synsets = matlab(labels.parent / "meta.mat", "synsets", LAYOUT)
    try:
        wnids = {int(synset["ILSVRC2012_ID"]): str(synset["WNID"]) for synset in synsets}
        return {
            f"ILSVRC2012_val_{number:08d}": wnids[int(word)]
            for number, (word,) in enumerate(fields(labels, 1, LAYOUT), 1)
        }
    except (ValueError, KeyError, IndexError) as error:
        raise FileUnreadable(f"{labels} and meta.mat do not belong together: {error}") from None
