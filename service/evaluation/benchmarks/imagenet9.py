"""ImageNet-9 Backgrounds Challenge (Xiao, Engstrom, Ilyas, Madry, ICLR 2021): one object on several backgrounds.

`bg_challenge/<variant>/val/00_dog/…JPEG`. A picture of `original` or `only_fg` is called `n02085620_16757.JPEG`, one of
the mixed variants `fg_n02085620_16757_bg_n01532829_06835.JPEG`: the first number names the object, which so is found
again in the other variants. The published `fg_mask` are arrays and no pictures, and are not read. Localizer prompts
are left open, as for the other sets made of ImageNet.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from service.errors import FileUnreadable
from service.evaluation.benchmarks.layout import (
    BenchmarkData,
    benchmark_data,
    folders_in,
    missing,
    pictures_in,
    root_with,
)
from service.evaluation.labelled import Labelled

SHOWS_THE_OBJECT = ("original", "only_fg", "mixed_same", "mixed_rand", "mixed_next")
VARIANTS = (*SHOWS_THE_OBJECT, "no_fg", "only_bg_b", "only_bg_t")
SPLITS = ("all", *VARIANTS)
LAYOUT = "bg_challenge/{original, mixed_same, mixed_rand, …}/val/{00_dog, 01_bird, …}/*.JPEG"
CLASSES = (
    "dog",
    "bird",
    "wheeled vehicle",
    "reptile",
    "carnivore",
    "insect",
    "musical instrument",
    "primate",
    "fish",
)
OBJECT = re.compile(r"(?:fg_)?(n\d{8}_\d+)")


def read(folder: Path, split: str) -> BenchmarkData:
    wanted = VARIANTS if split == "all" else (split,)
    root = root_with(folder, ["bg_challenge"], "original" if split == "all" else split, LAYOUT)
    present = [variant for variant in wanted if (root / variant).is_dir()]
    return benchmark_data((one for variant in present for one in _variant(root / variant, variant)), CLASSES)


def _variant(folder: Path, variant: str) -> Iterator[Labelled]:
    if not (folder / "val").is_dir():
        raise missing(folder / "val", LAYOUT)
    for of_class in folders_in(folder / "val"):
        label = of_class.name.partition("_")[2].replace("_", " ")
        if label not in CLASSES:
            raise FileUnreadable(f"{of_class} is named by none of the classes {', '.join(CLASSES)}")
        for path in pictures_in(of_class):
            name = OBJECT.match(path.name) if variant in SHOWS_THE_OBJECT else None
            yield Labelled(path, label, variant, source=name[1] if name else "")
