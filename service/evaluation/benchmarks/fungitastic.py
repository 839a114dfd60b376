"""FungiTastic-Mini (Picek et al., WACV 2025): species of mushrooms, with tabular metadata.

Tables `metadata/FungiTastic-Mini/FungiTastic-Mini-Test.csv` (earlier releases: `FungiTastic-Mini-ClosedSet-Test.csv`)
with a row for each picture, and pictures in `FungiTastic-Mini/test/<size>/<filename>`, in one or several sizes. The
class list is all species of all tables that are there: without the training table some are missing. The paper measures
the test split with BioCLIP (section 4.3) and takes priors from habitat, substrate and month (section 5.1).
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from service.datasets.spec import clean_name
from service.errors import FileUnreadable
from service.evaluation.benchmarks.layout import (
    BenchmarkData,
    all_present,
    benchmark_data,
    csv_rows,
    found,
    root_with,
)
from service.evaluation.labelled import Labelled

PROMPT = "mushroom"  # appendix B.1
LAYOUT = (
    "metadata/FungiTastic-Mini/FungiTastic-Mini-{Train, Val, Test}.csv, FungiTastic-Mini/{train, val, test}/500p/*.JPG"
)
TABLES: Mapping[str, str] = {"test": "Test", "val": "Val", "train": "Train", "dna": "DNA-Test"}
SPLITS = tuple(TABLES)
FOLDERS: Mapping[str, tuple[str, ...]] = {"dna": ("dna", "dna-test", "dna_test")}
SIZES = ("720p", "500p", "300p", "fullsize", "fullsizep")  # full size last: many of those files are cut short
METADATA = (
    "habitat",
    "substrate",
    "month",
    "metaSubstrate",
    "countryCode",
    "region",
    "district",
    "biogeographicalRegion",
    "landcover",
)
Row = Mapping[str, str]


def read(folder: Path, split: str) -> BenchmarkData:
    root = root_with(folder, ["FungiTastic"], "metadata", LAYOUT)
    tables = root / "metadata" / "FungiTastic-Mini"
    wanted = found(_table_names(tables, split), LAYOUT)
    present = [path for other in SPLITS for path in _table_names(tables, other) if path.is_file()]
    species = {_species(row) for table in present for row in _rows(table)} - {""}
    homes = [root / "FungiTastic-Mini", root / "images" / "FungiTastic-Mini"]
    places = [home / name / size for home in homes for name in FOLDERS.get(split, (split,)) for size in SIZES]
    place = found(places, LAYOUT)
    pictures = [_labelled(place, row) for row in _rows(wanted)]
    return benchmark_data(all_present(pictures, wanted), sorted(species), (PROMPT,))


def _table_names(folder: Path, split: str) -> list[Path]:
    return [folder / f"FungiTastic-Mini-{task}{TABLES[split]}.csv" for task in ("", "ClosedSet-")]


def _rows(table: Path) -> list[Row]:
    head, *rows = csv_rows(table, LAYOUT) or [[]]
    if not rows or "filename" not in head or not {"species", "scientificName"} & set(head):
        raise FileUnreadable(f"{table} has no rows, or no columns filename and species")
    return [defaultdict(str, zip(head, row, strict=False)) for row in rows]


def _species(row: Row) -> str:
    """Empty for a species outside the closed set."""
    if row["category_id"].split(".")[0] == "-1":
        return ""
    return clean_name(row["species"] or row["scientificName"])


def _labelled(place: Path, row: Row) -> Labelled:
    metadata = {name: row[name].strip() for name in METADATA if row[name].strip()}
    if "month" in metadata:  # a column with gaps is written with decimals
        metadata["month"] = metadata["month"].removesuffix(".0")
    return Labelled(place / row["filename"], _species(row), metadata=metadata)
