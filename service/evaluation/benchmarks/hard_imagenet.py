"""Hard ImageNet (Moayeri, Singla, Feizi, NeurIPS 2022) and the paper's two further test sets for it (appendix A).

The published archive holds masks only (`val/n03218198_ILSVRC2012_val_00000001.JPEG`); the pictures are those of
ImageNet's validation set. So `original` is read from `val/<WordNet id>`, in a whole ImageNet or in its 15 classes, and
masks from `hardImageNet/val` or `masks/val` beside it.

No layout of the paper's Long-Tail and Constant sets could be verified. They are read from folders `long_tail` and
`constant` (or `LT` and `CT`, with or without `HIN` or `test` before them), with classes named by WordNet id or by name,
and their masks from folders of the same names in `masks`.

The paper asks the localizer for each picture's true label here (section 3.1), or for those of the full picture's best
classes (B.1): no localizer prompts.
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

SPLITS = ("all", "original", "long_tail", "constant")
LAYOUT = "val/<WordNet id>/*.JPEG (ImageNet's), long_tail/<class>/*, constant/<class>/*; masks in hardImageNet/val"
CLASSES: Mapping[str, str] = {
    "n02777292": "balance beam",
    "n09835506": "baseball player",
    "n03218198": "dog sled",
    "n03535780": "gymnastic horizontal bar",
    "n04019541": "hockey puck",
    "n02492660": "howler monkey",
    "n04264628": "keyboard space bar",
    "n03770439": "miniskirt",
    "n03899768": "patio",
    "n04162706": "seat belt",
    "n04228054": "ski",
    "n04251144": "snorkel",
    "n04356056": "sunglasses",
    "n02807133": "swimming cap",
    "n04540053": "volleyball",
}
OTHER_NAMES: Mapping[str, str] = {  # how ImageNet itself and abbreviations call them
    "ballplayer": "baseball player",
    "horizontal bar": "gymnastic horizontal bar",
    "puck": "hockey puck",
    "space bar": "keyboard space bar",
    "sunglass": "sunglasses",
    "bathing cap": "swimming cap",
}
PART_FOLDERS: Mapping[str, tuple[str, ...]] = {
    "original": ("original", "val", "validation", "test"),
    "long_tail": ("longtail", "lt", "hinlt", "testlt", "hinlongtail", "hardimagenetlt", "hardimagenetlongtail"),
    "constant": ("constant", "ct", "hinct", "testct", "hinconstant", "hardimagenetct", "hardimagenetconstant"),
}
MASK_FOLDERS = ("hardimagenet", "masks", "mask")
WNID = re.compile(r"n\d{8}")


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


BY_KEY = {_key(name): label for table in (CLASSES, OTHER_NAMES) for name, label in table.items()}
BY_KEY |= {_key(label): label for label in CLASSES.values()}


def read(folder: Path, split: str) -> BenchmarkData:
    pictures: list[Labelled] = []
    for part in SPLITS[1:] if split == "all" else (split,):
        inner = [path for path in folders_in(folder) if _key(path.name) not in MASK_FOLDERS]
        place = _part_folder([folder, *inner], part)
        if place is not None:
            pictures.extend(_pictures(place, part, _masks(folder, place, part)))
        elif part == split:
            raise missing(folder / part, LAYOUT)
    if not pictures:
        raise missing(folder / "val", LAYOUT)
    return benchmark_data(pictures, CLASSES.values())


def _part_folder(places: list[Path], part: str) -> Path | None:
    """A folder `val` may also be the published one, of masks alone; it counts if it has a class in it."""
    for place in places:
        for name in PART_FOLDERS[part]:
            for inner in folders_in(place):
                if _key(inner.name) == name and any(_key(path.name) in BY_KEY for path in folders_in(inner)):
                    return inner
    return None


def _pictures(place: Path, part: str, masks: Mapping[str, Path]) -> Iterator[Labelled]:
    for folder in folders_in(place):
        label = BY_KEY.get(_key(folder.name))
        if label is None and WNID.fullmatch(folder.name):
            continue  # one of ImageNet's other classes
        if label is None:
            raise FileUnreadable(f"{folder} is named by none of the classes {', '.join(CLASSES.values())}")
        for path in pictures_in(folder):
            keys = (f"{folder.name}_{path.stem}", f"{folder.name}/{path.stem}", path.stem)
            mask = next((masks[key] for key in keys if key in masks), None)
            yield Labelled(path, label, part, mask=mask)


def _masks(folder: Path, place: Path, part: str) -> dict[str, Path]:
    """By file name, or by class folder and file name, without suffix."""
    bases = [path for path in (*folders_in(folder), *folders_in(place.parent)) if _key(path.name) in MASK_FOLDERS]
    places = [inner for base in bases for inner in folders_in(base) if _key(inner.name) in PART_FOLDERS[part]]
    masks = {path.stem: path for source in (place, *places) for path in pictures_in(source)}
    for source in places:
        for of_class in folders_in(source):
            masks |= {f"{of_class.name}/{path.stem}": path for path in pictures_in(of_class)}
    return masks
