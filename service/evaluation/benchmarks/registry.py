"""The benchmarks that can be read, as rows of data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from service.errors import FieldProblem, FileMissing, FileUnreadable, InvalidFields
from service.evaluation.benchmarks import (
    counter_animal,
    cub,
    fgvc_aircraft,
    fungitastic,
    hard_imagenet,
    imagenet,
    imagenet9,
    spawrious,
    stanford_cars,
    stanford_dogs,
)
from service.evaluation.benchmarks.layout import BenchmarkData

IMAGENET_TERMS = "pictures under ImageNet's terms: non-commercial research"


@dataclass(frozen=True)
class Benchmark:
    """One benchmark. `splits`: the first is the default; `layout`: what its folder holds; `terms`: whose it is, for
    citation, and under what licence as far as its authors state one; ask them where it matters.
    """

    name: str
    summary: str
    terms: str
    splits: tuple[str, ...]
    layout: str
    read: Callable[[Path, str], BenchmarkData]


def _row(name: str, module: ModuleType, summary: str, terms: str) -> Benchmark:
    return Benchmark(name, summary, terms, module.SPLITS, module.LAYOUT, module.read)


_ROWS = (
    _row(
        "hard-imagenet",
        hard_imagenet,
        "15 classes of ImageNet with strong background cues; long-tail and constant backgrounds",
        f"Moayeri, Singla, Feizi, NeurIPS 2022; masks CC0, {IMAGENET_TERMS}",
    ),
    _row(
        "stanford-dogs",
        stanford_dogs,
        "120 breeds of dogs, the background says little",
        f"Khosla et al., FGVC workshop at CVPR 2011; {IMAGENET_TERMS}",
    ),
    _row(
        "spawrious",
        spawrious,
        "4 breeds of dogs, generated, backgrounds exchanged between training and test",
        "Lynch et al., 2023; MIT",
    ),
    _row(
        "counter-animal",
        counter_animal,
        "45 animals on common and on rare backgrounds",
        "Wang et al., NeurIPS 2024; photographs of iNaturalist under their own licences",
    ),
    _row(
        "fungitastic",
        fungitastic,
        "FungiTastic-Mini: species of mushrooms with habitat, substrate and month; for BioCLIP",
        "Picek et al., WACV 2025; licence stated by its publisher",
    ),
    _row(
        "imagenet-1k",
        imagenet,
        "the validation set, 1000 classes",
        f"Russakovsky et al., IJCV 2015; {IMAGENET_TERMS}",
    ),
    _row(
        "imagenet-9",
        imagenet9,
        "Backgrounds Challenge: 9 classes, the same objects on several backgrounds",
        f"Xiao, Engstrom, Ilyas, Madry, ICLR 2021; {IMAGENET_TERMS}",
    ),
    _row(
        "cub-200-2011",
        cub,
        "200 species of birds",
        "Wah et al., Caltech-UCSD Birds-200-2011; non-commercial research and education",
    ),
    _row(
        "stanford-cars",
        stanford_cars,
        "196 models of cars",
        "Krause, Stark, Deng, Fei-Fei, 3dRR workshop at ICCV 2013; non-commercial research",
    ),
    _row(
        "fgvc-aircraft",
        fgvc_aircraft,
        "100 variants of aircraft; also by family and by manufacturer",
        "Maji et al., arXiv 1306.5151, 2013; non-commercial research",
    ),
)
BENCHMARKS: Mapping[str, Benchmark] = {row.name: row for row in _ROWS}


def read_benchmark(name: str, folder: Path, split: str | None = None) -> BenchmarkData:
    """The pictures of a benchmark's split in its published folder, and its class list with the paper's prompts.

    Files are listed and tables read; no picture is opened. None is the benchmark's first split.

    Raises:
        InvalidFields: the name or the split is not known; lists those that are.
        FileMissing, FileUnreadable: the folder is laid out otherwise, naming what is missing, or holds no pictures.
    """
    if name not in BENCHMARKS:
        raise _unknown("benchmark", name, tuple(BENCHMARKS))
    benchmark = BENCHMARKS[name]
    split = benchmark.splits[0] if split is None else split
    if split not in benchmark.splits:
        raise _unknown("split", split, benchmark.splits)
    if not folder.is_dir():
        raise FileMissing(f"{folder} is no folder; {name} is expected there as {benchmark.layout}")
    try:
        data = benchmark.read(folder, split)
    except OSError as error:
        raise FileUnreadable(f"{folder} cannot be read: {error}") from None
    if not data.pictures:
        raise FileUnreadable(f"{folder} holds no pictures of {name}, split {split}; expected: {benchmark.layout}")
    return data


def _unknown(field: str, value: str, known: tuple[str, ...]) -> InvalidFields:
    return InvalidFields(FieldProblem(field, f"{value!r} is not known; known: {', '.join(known)}", known))
