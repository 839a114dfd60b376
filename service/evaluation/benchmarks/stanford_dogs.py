"""Stanford Dogs (Khosla et al., CVPR workshop 2011).

`Images/n02085620-Chihuahua/*.jpg`, the split's list in `lists/test_list.mat` or beside `Images`, and boxes, if they are
there, in `Annotation/n02085620-Chihuahua/n02085620_10074` (XML without suffix).
"""

import re
from pathlib import Path

from service.errors import FileUnreadable
from service.evaluation.benchmarks.layout import (
    BenchmarkData,
    all_present,
    benchmark_data,
    box_of,
    folders_in,
    found,
    largest,
    matlab,
    pictures_in,
    root_with,
)
from service.evaluation.labelled import Labelled
from service.recognition.boxes import Box

SPLITS = ("test", "train", "all")
LAYOUT = "Images/<WordNet id>-<breed>/*.jpg, lists/{test, train}_list.mat; boxes in Annotation"
PROMPT = "full dog"  # appendix B.1
BOX = re.compile(r"<bndbox>(.*?)</bndbox>", re.DOTALL)
EDGES = tuple(re.compile(rf"<{name}>\s*([\d.]+)\s*</{name}>") for name in ("xmin", "ymin", "xmax", "ymax"))


def read(folder: Path, split: str) -> BenchmarkData:
    root = root_with(folder, ["stanford_dogs", "StanfordDogs"], "Images", LAYOUT)
    breeds = folders_in(root / "Images")
    if split == "all":
        pictures = [_labelled(root, path) for breed in breeds for path in pictures_in(breed)]
    else:
        name = f"{split}_list.mat"
        table = found([root / "lists" / name, root / name, folder / "lists" / name, folder / name], LAYOUT)
        pictures = [_labelled(root, root / "Images" / str(path)) for path in matlab(table, "file_list", LAYOUT)]
        all_present(pictures, table)
    return benchmark_data(pictures, (_breed(path.name) for path in breeds), (PROMPT,))


def _breed(folder_name: str) -> str:
    name = folder_name.partition("-")[2]
    if not name:
        raise FileUnreadable(f"Images/{folder_name} is not named <WordNet id>-<breed>")
    return name.replace("_", " ")


def _labelled(root: Path, path: Path) -> Labelled:
    return Labelled(path, _breed(path.parent.name), box=_box(root / "Annotation" / path.parent.name / path.stem))


def _box(annotation: Path) -> Box | None:
    try:
        blocks = BOX.findall(annotation.read_text(encoding="utf-8"))
        return largest(box_of([pattern.findall(block)[0] for pattern in EDGES]) for block in blocks)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, IndexError):
        raise FileUnreadable(f"{annotation} holds no box in the VOC format") from None
