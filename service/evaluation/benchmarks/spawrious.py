"""Spawrious (Lynch et al., 2023): generated pictures of four breeds of dogs, on a background that goes with the breed.

`spawrious224/<environment>/<background>/<breed>/*.png`, with the environments 0 and 1. In the one-to-one sets a test
breed has one background, in both environments; in the many-to-many sets two breeds share two, in environment 0. The
paper uses `o2o-easy` and, to train on, its environment 0 (`o2o-easy-train`; appendix A). The part is the background.
"""

from collections.abc import Mapping
from pathlib import Path

from service.evaluation.benchmarks.layout import (
    BenchmarkData,
    benchmark_data,
    folders_in,
    missing,
    pictures_in,
    root_with,
)
from service.evaluation.labelled import Labelled

PROMPT = "full dog"  # appendix B.1
LAYOUT = "spawrious224/{0, 1}/<background>/{bulldog, corgi, dachshund, labrador}/*.png"
CLASSES = ("bulldog", "corgi", "dachshund", "labrador")
Backgrounds = tuple[tuple[str, ...], ...]  # for each class


def _many_to_many(first: str, second: str, third: str, fourth: str) -> Backgrounds:
    one, other = (first, second), (third, fourth)
    return one, other, one, other


SETS: Mapping[str, tuple[tuple[str, ...], Backgrounds]] = {  # environments, and the classes' backgrounds
    "o2o-easy": (("0", "1"), (("dirt",), ("jungle",), ("snow",), ("desert",))),
    "o2o-medium": (("0", "1"), (("jungle",), ("snow",), ("dirt",), ("beach",))),
    "o2o-hard": (("0", "1"), (("mountain",), ("jungle",), ("snow",), ("desert",))),
    "m2m-easy": (("0",), _many_to_many("dirt", "jungle", "mountain", "desert")),
    "m2m-medium": (("0",), _many_to_many("desert", "mountain", "beach", "snow")),
    "m2m-hard": (("0",), _many_to_many("snow", "beach", "dirt", "jungle")),
    "o2o-easy-train": (("0",), (("desert",), ("snow",), ("jungle",), ("dirt",))),
}
SPLITS = (*SETS, "all")


def read(folder: Path, split: str) -> BenchmarkData:
    root = root_with(folder, ["spawrious224"], "0", LAYOUT)
    return benchmark_data((one for place in _places(root, split) for one in _pictures(place)), CLASSES, (PROMPT,))


def _places(root: Path, split: str) -> list[Path]:
    if split == "all":
        backgrounds = [path for name in ("0", "1") if (root / name).is_dir() for path in folders_in(root / name)]
        return [breed for background in backgrounds for breed in folders_in(background) if breed.name in CLASSES]
    environments, of_class = SETS[split]
    return [
        root / environment / background / breed
        for environment in environments
        for breed, backgrounds in zip(CLASSES, of_class, strict=True)
        for background in backgrounds
    ]


def _pictures(place: Path) -> list[Labelled]:
    if not place.is_dir():
        raise missing(place, LAYOUT)
    return [Labelled(path, place.name, place.parent.name) for path in pictures_in(place)]
