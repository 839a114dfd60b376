"""Files that grow by whole lines. A process that is killed leaves at most a part of one, which is cut off later."""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from service.cli.outputs.locking import behind_links, locked, refusal
from service.cli.outputs.rows import COLUMNS, Record, flat, json_bytes
from service.errors import OutputRefused

OTHER_QUESTION = "answers another question (classes, options or models); ask as before, or --overwrite begins anew"
LONGEST_FIELD = 2**31 - 1  # the scores of thousands of classes are longer than the 131,072 that csv allows


@dataclass
class Found:
    """Of an earlier run: the pictures it has answers to, and the version of the dataset that gave the first one."""

    answered: set[str] = field(default_factory=set)
    version: str | None = None


@dataclass(frozen=True)
class Kept:
    """A whole line that holds an answer: of which picture, by which version of the dataset, to which question."""

    line: bytes
    path: str
    version: str
    question: str


class Lines(ABC):
    head = b""
    begins = b""  # every such file

    def __init__(self, path: Path, *, anew: bool = False) -> None:
        """anew: the first line takes the place of what is there; until then that stays."""
        self.path, self._anew = path, anew
        self._stream: FileIO | None = None

    def add(self, record: Record) -> None:
        """Raises OutputRefused, StorageFull."""
        try:
            stream, line = self._opened(), self.line(record)
            left = memoryview(line if stream.tell() else self.head + line)
            while left:
                left = left[stream.write(left) :]
        except OSError as error:
            raise refusal(self.path, error) from None

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _opened(self) -> FileIO:
        if self._stream is None:
            stream = locked(self.path, "ab")
            if self._anew and stream.tell():
                stream.truncate(0)
                stream.seek(0)
            self._stream = stream
        return self._stream

    @staticmethod
    def check_free(path: Path) -> None:
        """Raises OutputRefused: another process is writing it."""
        try:
            locked(path, "rb").close()
        except OSError as error:
            raise refusal(path, error) from None

    @classmethod
    def mended(cls, path: Path, question: str) -> Found:
        """The file without failures, which are to be asked again, and without a line that was cut short.

        Raises:
            OutputRefused: it holds something else, or answers to another question, or another process is writing it.
        """
        found, place = Found(), behind_links(path)
        draft = place.with_name(f".{place.name}.part")
        if not path.exists():
            return found
        try:
            with locked(path, "rb") as stream:
                if not cls.begins.startswith(stream.read(len(cls.begins))):
                    raise ValueError("another kind of file")
                with draft.open("wb") as kept:
                    kept.write(cls.head)
                    for answer in cls.answers(path):
                        if answer.question != question:
                            raise OutputRefused(f"{path} {OTHER_QUESTION}")
                        found.answered.add(answer.path)
                        found.version = found.version or answer.version
                        kept.write(answer.line)
                draft.replace(place)
        except OSError as error:
            raise refusal(path, error) from None
        except (ValueError, KeyError, TypeError, csv.Error):
            raise OutputRefused(f"{path} is not what `l2r2 classify` writes; it cannot be continued") from None
        finally:
            draft.unlink(missing_ok=True)
        return found

    @staticmethod
    @abstractmethod
    def line(record: Record) -> bytes: ...

    @classmethod
    @abstractmethod
    def answers(cls, path: Path) -> Iterator[Kept]: ...


class JsonLines(Lines):
    begins = b'{"path": '

    @staticmethod
    def line(record: Record) -> bytes:
        return json_bytes(record.document()) + b"\n"

    @classmethod
    def answers(cls, path: Path) -> Iterator[Kept]:
        for line in _whole_lines(path):
            document = json.loads(line)
            if "error" not in document:
                yield Kept(line, document["path"], document["answer"]["dataset_version"], document["question"])

    @staticmethod
    def records(path: Path) -> Iterator[Record]:
        for line in _whole_lines(path):
            yield Record.from_document(json.loads(line))


class CsvLines(Lines):
    """Paths and texts may hold line ends; then they are quoted, and a row has several lines."""

    begins = head = ",".join(COLUMNS).encode() + b"\r\n"

    @staticmethod
    def line(record: Record) -> bytes:
        text = io.StringIO(newline="")
        csv.DictWriter(text, list(COLUMNS)).writerow(flat(record))
        return text.getvalue().encode("utf-8", "surrogateescape")

    @classmethod
    def answers(cls, path: Path) -> Iterator[Kept]:
        rows = _quoted_rows(path)
        if next(rows, cls.head) != cls.head:
            raise ValueError("other columns")
        for line in rows:
            text = line.decode("utf-8", "surrogateescape")
            with _fields_of_any_length():
                [row] = csv.DictReader(io.StringIO(text, newline=""), list(COLUMNS), strict=True)
            if not row["error_code"]:
                yield Kept(line, row["path"], row["dataset_version"], row["question"])


def _whole_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        for line in stream:
            if line.endswith(b"\n"):
                yield line


def _quoted_rows(path: Path) -> Iterator[bytes]:
    """A row is over at the end of a line before which there is an even number of quotes."""
    row = b""
    for line in _whole_lines(path):
        row += line
        if row.count(b'"') % 2 == 0:
            yield row
            row = b""


@contextmanager
def _fields_of_any_length() -> Iterator[None]:
    """Of this reading alone: the limit is one for the whole process, and strangers' tables are read with it too."""
    before = csv.field_size_limit(LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)
