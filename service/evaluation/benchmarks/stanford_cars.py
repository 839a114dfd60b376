"""Stanford Cars (Krause et al., 2013): 196 models of cars.

The published form: `cars_test`, `cars_train`, `devkit/{cars_meta, cars_train_annos}.mat`, and
`cars_test_annos_withlabels.mat` there or in `devkit`. Or, as copies have it, folders `test/<class>/*.jpg`, without
boxes; a class whose name has a slash is spelled there as its folder is.

Not among the paper's datasets; the localizer prompt is this project's choice.
"""

from pathlib import Path

from service.errors import FileUnreadable
from service.evaluation.benchmarks.layout import (
    BenchmarkData,
    all_present,
    benchmark_data,
    box_of,
    folders_in,
    found,
    matlab,
    pictures_in,
)
from service.evaluation.labelled import Labelled

SPLITS = ("test", "train")
PROMPT = "car"
LAYOUT = (
    "cars_{test, train}/*.jpg, devkit/{cars_meta, cars_train_annos}.mat, cars_test_annos_withlabels.mat; "
    "or {test, train}/<class>/*.jpg"
)
ANNOTATIONS = {"test": "cars_test_annos_withlabels.mat", "train": "cars_train_annos.mat"}


def read(folder: Path, split: str) -> BenchmarkData:
    root = next((place for place in (folder / "stanford_cars", folder) if (place / "devkit").is_dir()), None)
    if root is None:
        return _folders(folder, split)
    names = [str(name) for name in matlab(root / "devkit" / "cars_meta.mat", "class_names", LAYOUT)]
    table = found([root / "devkit" / ANNOTATIONS[split], root / ANNOTATIONS[split]], LAYOUT)
    pictures = []
    for entry in matlab(table, "annotations", LAYOUT):
        try:
            # Classes and pixels count from 1, and the box's last pixel belongs to it.
            box = box_of([entry[f"bbox_{edge}"] for edge in ("x1", "y1", "x2", "y2")], origin=1)
            label = dict(enumerate(names, 1))[int(entry["class"])]
            pictures.append(Labelled(root / f"cars_{split}" / str(entry["fname"]), label, box=box))
        except (ValueError, KeyError, IndexError) as error:
            raise FileUnreadable(f"{table}: an entry has no box, class and fname that are known: {error}") from None
    return benchmark_data(all_present(pictures, table), names, (PROMPT,))


def _folders(folder: Path, split: str) -> BenchmarkData:
    inner = ("", "car_data", "car_data/car_data", "stanford_cars")
    place = next((folder / name / split for name in inner if (folder / name / split).is_dir()), None)
    if place is None:
        raise FileUnreadable(f"{folder} holds neither devkit nor {split}; expected: {LAYOUT}")
    classes = folders_in(place)
    pictures = [Labelled(path, of_class.name) for of_class in classes for path in pictures_in(of_class)]
    return benchmark_data(pictures, (of_class.name for of_class in classes), (PROMPT,))
