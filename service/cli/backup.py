"""`l2r2 datasets export` and `import`: backups, straight from and into the database."""

import errno
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from service.errors import DatabaseCorrupt, DatasetConflict, FileMissing, FileUnreadable, OutputRefused, StorageFull

if TYPE_CHECKING:
    from service.datasets.database import Database

DataDir = Annotated[
    Path | None, typer.Option(help="Folder of the SQLite database, instead of L2R2_DATA_DIR and L2R2_DATABASE_URL.")
]


def export_datasets(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", dir_okay=False, help="File to write, instead of standard output.")
    ] = None,
    data_dir: DataDir = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write --out anew if it is there.")] = False,
) -> None:
    """Save every dataset with its kept versions, notes, calibrations and example pictures as lines of JSON.

    Read straight from the database, whether the service runs or not; of a damaged one what can still be read.
    """
    from service.datasets.backup import Backup

    if out is not None and out.exists() and not overwrite:  # perhaps the only backup that is good
        raise OutputRefused(f"{out} is there; --overwrite writes it anew")
    with closing(_database(data_dir, salvage=True)) as database:
        backup = Backup(database)
        lines = (line.encode() + b"\n" for line in backup.lines())
        if out is None:
            sys.stdout.buffer.writelines(lines)
            sys.stdout.buffer.flush()
        else:
            _write(out, lines)
    Console(stderr=True).print(f"{backup.count} datasets saved")
    if backup.unreadable:
        raise DatabaseCorrupt(f"could not be read: {'; '.join(backup.unreadable)}; the rest was saved")


def import_datasets(
    file: Annotated[Path, typer.Argument(allow_dash=True, help="What `export` wrote, or - for standard input.")],
    replace: Annotated[bool, typer.Option(help="Replace other content under the same name.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Restore datasets, with the versions they had; what is there already is left alone.

    A running service answers with them once it has built their prototypes, else they are built at its next start.
    """
    from service.datasets.backup import restore
    from service.datasets.saved import restorable

    console = Console(stderr=True)
    refused = 0
    with closing(_database(data_dir, salvage=False)) as database, _reading(file) as lines:
        database.migrate()
        for found in restorable(lines):
            name = found.saved.dataset
            try:
                outcome = "restored" if restore(database, found, replace=replace) else "there already"
            except DatasetConflict as error:
                outcome, refused = f"left alone: {error.detail}", refused + 1
            console.print(escape(f"{name}: {outcome}"))
    if refused:
        raise DatasetConflict(f"{refused} datasets have other content and were left alone; --replace restores them")


def _database(data_dir: Path | None, *, salvage: bool) -> "Database":
    from service.datasets.database import Database
    from service.settings import load_settings
    from service.telemetry import configure_logging

    configure_logging("error", "text")
    settings = load_settings(data_dir=data_dir)
    return Database(None if data_dir else settings.database_url, settings.data_dir, salvage=salvage)


def _reading(file: Path) -> AbstractContextManager[IO[str]]:
    try:
        return nullcontext(sys.stdin) if str(file) == "-" else file.open(encoding="utf-8", errors="replace")
    except OSError as error:
        kind = FileMissing if isinstance(error, FileNotFoundError) else FileUnreadable
        raise kind(f"{file} cannot be read: {error.strerror}") from None


def _write(out: Path, lines: Iterator[bytes]) -> None:
    """The whole file or none."""
    from service.models.weights.files import put_in_place

    draft = out.with_name(out.name + ".tmp")
    with _writing(out):
        try:
            with draft.open("wb") as stream:
                stream.writelines(lines)
            put_in_place(draft, out)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFull(f"{out} cannot be written: {error.strerror}") from None
        raise OutputRefused(f"{out} cannot be written: {error.strerror}") from None
