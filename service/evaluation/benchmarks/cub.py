"""CUB-200-2011 (Wah et al., 2011): 200 species of birds.

`CUB_200_2011/{classes, images, image_class_labels, train_test_split, bounding_boxes}.txt` and `images`; segmentations,
published apart, in `segmentations` there or beside it. They are grey: brighter where more annotators agreed.

Not among the paper's datasets; the localizer prompt is this project's choice.
"""

from pathlib import Path

from service.errors import FileUnreadable
from service.evaluation.benchmarks.layout import (
    BenchmarkData,
    all_present,
    benchmark_data,
    box_of,
    fields,
    root_with,
)
from service.evaluation.labelled import Labelled
from service.recognition.boxes import Box

SPLITS = ("test", "train")
PROMPT = "bird"
LAYOUT = (
    "CUB_200_2011/{classes, images, image_class_labels, train_test_split, bounding_boxes}.txt, "
    "CUB_200_2011/images/<class>/*.jpg; masks in segmentations/<class>/*.png"
)


def read(folder: Path, split: str) -> BenchmarkData:
    root = root_with(folder, ["CUB_200_2011"], "images.txt", LAYOUT)
    names = {number: _name(name) for number, name in fields(root / "classes.txt", 2, LAYOUT)}
    labels = dict(fields(root / "image_class_labels.txt", 2, LAYOUT))
    in_training = dict(fields(root / "train_test_split.txt", 2, LAYOUT))
    boxes = _boxes(root / "bounding_boxes.txt")
    masks = _mask_folder(folder, root)
    pictures = []
    for number, file in fields(root / "images.txt", 2, LAYOUT):
        if number not in in_training or labels.get(number) not in names:
            raise FileUnreadable(f"{root}: picture {number} has no split, or no label in classes.txt")
        if in_training[number] == ("1" if split == "train" else "0"):
            mask = (masks / file).with_suffix(".png") if masks else None
            pictures.append(Labelled(root / "images" / file, names[labels[number]], box=boxes.get(number), mask=mask))
    return benchmark_data(all_present(pictures, root / "images.txt"), names.values(), (PROMPT,))


def _name(folder_name: str) -> str:
    """`001.Black_footed_Albatross` without its number."""
    return folder_name.partition(".")[2].replace("_", " ") or folder_name


def _boxes(table: Path) -> dict[str, Box | None]:
    """Lines `number x y width height`, in pixels."""
    if not table.is_file():
        return {}
    boxes = {}
    for number, *numbers in fields(table, 5, LAYOUT):
        try:
            x, y, width, height = (float(word) for word in numbers)
        except ValueError:
            raise FileUnreadable(f"{table}: the box of picture {number} is not four numbers") from None
        boxes[number] = box_of((x, y, x + width, y + height))
    return boxes


def _mask_folder(folder: Path, root: Path) -> Path | None:
    places = (root / "segmentations", folder / "segmentations", root.parent / "segmentations")
    return next((place for place in places if place.is_dir()), None)
