"""Files of many answers, safe against any end of the process: an answer is in the file as soon as it is taken.

CSV and JSON Lines grow by whole lines. The other formats can only be written whole; until then, and to go on later,
their answers lie in a file of JSON Lines beside them (`pets.parquet.jsonl`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.cli.outputs.coco import coco_json
from service.cli.outputs.label_studio import label_studio_json
from service.cli.outputs.lines import CsvLines, Found, JsonLines, Lines
from service.cli.outputs.locking import behind_links
from service.cli.outputs.rows import Record
from service.cli.outputs.table import check_parquet, parquet_bytes
from service.errors import FieldProblem, InvalidFields, OutputRefused

Write = Callable[[Sequence[Record], Sequence[str]], bytes]
GROWING: Mapping[str, type[Lines]] = {"csv": CsvLines, "jsonl": JsonLines}
WHOLE: Mapping[str, Write] = {"parquet": parquet_bytes, "coco": coco_json, "label-studio": label_studio_json}
FORMATS = (*GROWING, *WHOLE)
SUFFIXES: Mapping[str, str] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".coco.json": "coco",
    ".label-studio.json": "label-studio",
}


def format_of(path: Path, forced: str | None) -> str:
    """Raises InvalidFields, listing what there is."""
    if forced is not None:
        if forced not in FORMATS:
            raise InvalidFields(FieldProblem("format", f"{forced!r} is not known", FORMATS))
        return forced
    for suffix, name in SUFFIXES.items():
        if path.name.lower().endswith(suffix):
            return name
    hint = " (options of a request are given by --set name=value)" if "=" in path.name else ""
    known = f"{path.name} tells no format by its end; known are {', '.join(SUFFIXES)}, others need --format{hint}"
    raise InvalidFields(FieldProblem("out", known, tuple(SUFFIXES)))


@dataclass(frozen=True)
class Output:
    """`answered`: the pictures that need not be asked again. `version`: of the dataset that answered before.
    `question`: a digest of what is asked."""

    path: Path
    lines: Lines
    write: Write | None
    answered: frozenset[str]
    version: str | None
    question: str

    @classmethod
    def opened(cls, path: Path, form: str, *, resume: bool, overwrite: bool, question: str = "") -> "Output":
        """Raises OutputRefused for a file that is there and shall neither be continued nor overwritten, or is no such
        file, or answers another question, or that another run is writing."""
        if form == "parquet":
            check_parquet()
        write = WHOLE.get(form)
        place = path if write is None else path.with_name(f"{path.name}.jsonl")
        there = [file for file in {path, place} if file.exists()]
        if there and not (resume or overwrite):
            raise OutputRefused(f"{there[0]} is there; --resume continues it, --overwrite begins anew")
        if resume and write is not None and there == [path]:
            raise OutputRefused(f"{path} cannot be continued without {place.name} beside it; --overwrite begins anew")
        kind = GROWING["jsonl" if write else form]
        if place in there and not resume:
            kind.check_free(place)
        found = kind.mended(place, question) if resume else Found()
        return cls(path, kind(place, anew=not resume), write, frozenset(found.answered), found.version, question)

    def add(self, record: Record) -> None:
        """It is in the file when this returns, whatever happens to the process. Raises StorageFull, OutputRefused."""
        self.lines.add(record)

    def close(self) -> None:
        self.lines.close()

    def finish(self, labels: Sequence[str], order: Sequence[str]) -> None:
        """When every picture was asked: the whole file, in the pictures' order. `labels`: all classes, in theirs."""
        if self.write is None:
            return
        from service.evaluation.whole_files import write_whole

        place = {path: number for number, path in enumerate(order)}
        records = {record.path: record for record in JsonLines.records(self.lines.path)}
        found = sorted(records.values(), key=lambda record: place.get(record.path, len(place)))
        write_whole(behind_links(self.path), self.write(found, labels))
