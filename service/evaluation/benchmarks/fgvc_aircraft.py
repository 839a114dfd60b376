"""FGVC-Aircraft (Maji et al., 2013): 100 variants of aircraft, in 70 families of 30 manufacturers.

`data/{variants, families, manufacturers, images_box, images_<level>_<split>}.txt` and `data/images/*.jpg`. Splits
without a level name variants. The lowest 20 rows of each picture are a copyright notice; nothing cuts them off.

Not among the paper's datasets; the localizer prompt is this project's choice.
"""

from collections.abc import Mapping
from pathlib import Path

from service.errors import FileUnreadable
from service.evaluation.benchmarks.layout import (
    BenchmarkData,
    all_present,
    benchmark_data,
    box_of,
    fields,
    root_with,
    text,
)
from service.evaluation.labelled import Labelled
from service.recognition.boxes import Box

PROMPT = "airplane"
LAYOUT = "data/{variants, images_variant_test, images_box}.txt, data/images/*.jpg"
SPLITS = ("test", "test-family", "test-manufacturer", "train", "val", "trainval")
CLASS_LISTS: Mapping[str, str] = {
    "variant": "variants.txt",
    "family": "families.txt",
    "manufacturer": "manufacturers.txt",
}


def read(folder: Path, split: str) -> BenchmarkData:
    root = root_with(folder, ["data", "fgvc-aircraft-2013b/data"], "images", LAYOUT)
    part, _, level = split.partition("-")
    level = level or "variant"
    names = [line.strip() for line in text(root / CLASS_LISTS[level], LAYOUT).splitlines() if line.strip()]
    table = root / f"images_{level}_{part}.txt"
    boxes = _boxes(root / "images_box.txt")
    pictures = []
    for number, label in fields(table, 2, LAYOUT):
        if label not in names:
            raise FileUnreadable(f"{table}: {label!r} is not in {CLASS_LISTS[level]}")
        pictures.append(Labelled(root / "images" / f"{number}.jpg", label, box=boxes.get(number)))
    return benchmark_data(all_present(pictures, table), names, (PROMPT,))


def _boxes(table: Path) -> dict[str, Box | None]:
    """Lines `number x0 y0 x1 y1`; pixels count from 1, and the last one belongs to the box."""
    if not table.is_file():
        return {}
    try:
        return {number: box_of([*edges, *last.split()], origin=1) for number, *edges, last in fields(table, 5, LAYOUT)}
    except ValueError:
        raise FileUnreadable(f"{table}: a box is not four numbers") from None
