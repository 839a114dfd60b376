"""`l2r2 datasets calibrate`: labelled pictures, looked at by a running service, make a further version."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from service.cli.remote import DEFAULT_URL, Key, Name, Service, Url
from service.cli.remote_looks import Eye, encoded
from service.client import CalibrationOptions, CalibrationReport, Client, Dataset, Models, Retries, TooLargeError
from service.errors import BodyTooLarge, DatasetBuildFailed, DatasetBuilding

if TYPE_CHECKING:
    from service.evaluation.labelled import Labelled

HOW_TO_SEND_MORE = "start the service with a larger L2R2_MAX_BODY_BYTES, or give fewer pictures or --branches"


def calibrate(
    name: Name,
    data: Annotated[Path, typer.Option(exists=True, help="Folder of label folders, CSV or parquet table.")],
    branches: Annotated[str | None, typer.Option(help="Views to be fused, separated by commas.")] = None,
    fusion: Annotated[str | None, typer.Option(help="Fusion to answer with: a name, or best.")] = None,
    temperatures: Annotated[str, typer.Option(help="One for each branch or class.")] = "branch",
    learn: Annotated[bool, typer.Option(help="Fit the learnt fusions too.")] = True,
    abstain: Annotated[bool, typer.Option(help="Let the new version abstain below the level found.")] = False,
    abstain_by: Annotated[str, typer.Option(help="What abstention looks at: presence or confidence.")] = "presence",
    keep_right: Annotated[float, typer.Option(help="Part of the right answers that abstention must leave.")] = 0.95,
    validation_share: Annotated[float, typer.Option(help="Part of the pictures that is held out to measure.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Of the division into pictures to fit and held out.")] = 0,
    activate: Annotated[bool, typer.Option(help="Let the new version answer at once.")] = False,
    cache: Annotated[Path | None, typer.Option(help="File of kept embeddings, to go on after an interruption.")] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Fit a dataset's fusions to labelled pictures and keep the result as a further version."""
    from service.evaluation.labelled import read_labelled

    pictures = read_labelled(data)
    asked = [part.strip() for part in branches.split(",")] if branches else None
    wishes: CalibrationOptions = {"branches": asked, "fusion": fusion, "temperatures": temperatures, "learn": learn}
    wishes |= {"abstain": abstain, "abstain_by": abstain_by, "keep_right": keep_right, "seed": seed}
    wishes |= {"validation_share": validation_share, "activate": activate}
    with Service(url, key).opened(Retries()) as client:
        items = _items(pictures, client.datasets.get(name), asked, client, cache)
        _show(_send(client, name, items, wishes, cache))


def _send(
    client: Client, name: str, items: Sequence[dict[str, Any]], wishes: CalibrationOptions, cache: Path | None
) -> CalibrationReport:
    """Raises BodyTooLarge, saying what helps, where the service does not take so much at once."""
    try:
        return client.datasets.calibrate(name, items, **wishes)
    except TooLargeError as error:
        kept = f"the embeddings are kept in {cache}" if cache else "with --cache FILE the embeddings would be kept"
        raise BodyTooLarge(f"{error.detail}; {HOW_TO_SEND_MORE}; {kept}") from None


def _items(
    pictures: "Sequence[Labelled]", dataset: Dataset, branches: Sequence[str] | None, client: Client, cache: Path | None
) -> list[dict[str, Any]]:
    """The pictures' embeddings; each is looked at once, and what `cache` holds already is not sent again. Those that
    cannot be read are named and left out."""
    from service.evaluation.looks import LooksFile
    from service.evaluation.methods import check_labels

    models = client.models()
    _check_built(dataset)
    check_labels(pictures, dataset.labels)
    own = dataset.branches or (dataset.calibration or {}).get("branches") or models.usual_branches
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        TemporaryDirectory() as scratch,
        LooksFile(cache or Path(scratch) / "looks.sqlite", _context(dataset, models)) as kept,
        Progress(*columns, console=Console(stderr=True), transient=True) as bars,
    ):
        eye = Eye(client, dataset, list(dict.fromkeys(["full", *(branches or own)])), kept)
        rows = []
        for picture in bars.track(pictures, description="pictures"):
            looks = eye.look(picture.path)
            if isinstance(looks, str):
                bars.console.print(looks, highlight=False, markup=False)
            else:
                facts = {"label": picture.label or None, "box_score": looks.box_score}
                rows.append({**facts, "embeddings": encoded(looks)})
                if len(rows) == 1:
                    _check_size(rows[0], len(eye.branches), len(pictures), models.max_body_bytes)
    return rows


def _check_built(dataset: Dataset) -> None:
    """Raises DatasetBuilding, DatasetBuildFailed while the content shown is not yet what answers."""
    if dataset.building is not None:
        why = f"cannot be built: {dataset.failure}" if dataset.failure else f"is {dataset.progress:.0%} built"
        kind = DatasetBuildFailed if dataset.failure else DatasetBuilding
        raise kind(f"the newest version of {dataset.name} {why}; calibrate it when `l2r2 datasets list` says "
                         "that it is ready")  # fmt: skip


def _check_size(row: dict[str, Any], branches: int, count: int, most_bytes: int) -> None:
    """Raises BodyTooLarge, after the first picture, where all views of all pictures are too much to send."""
    needed_bytes = count * (len(json.dumps(row)) + len(row["embeddings"]["full"]) * (branches - len(row["embeddings"])))
    if needed_bytes > most_bytes:
        detail = f"the embeddings of {count} pictures in {branches} views would be {needed_bytes} bytes"
        raise BodyTooLarge(f"{detail}; the service accepts {most_bytes}: {HOW_TO_SEND_MORE}")


def _context(dataset: Dataset, models: Models) -> str:
    """A fingerprint of what embeddings depend on but the picture."""
    revisions = [part and part.revision for part in (models.localizer, models.segmenter, models.encoder)]
    parts = [dataset.version, models.box_threshold, models.box_margin, *revisions]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _show(answer: CalibrationReport) -> None:
    console = Console()
    table = Table("method", "accuracy", "calibrated", "ECE", "calibrated", box=None, pad_edge=False)
    for row in answer.methods:
        shares = (row.accuracy_before, row.accuracy_after, row.ece_before, row.ece_after)
        table.add_row(row.method, *(f"{share:.3f}" for share in shares))
    console.print(f"fitted to {answer.fit_count} pictures, measured on {answer.validation_count} others")
    console.print(table)
    for what, why in answer.refused.items():
        console.print(escape(f"not fitted: {what}: {why}"), style="dim")
    answers = "answers now" if answer.current else "is kept; it does not answer yet"
    console.print(f"version {answer.version[:12]} ({answer.fusion}) {answers}")
    level = f"{answer.abstain_by} below {answer.abstain_below:.4f}"
    console.print(f"abstaining at a {level} leaves {answer.kept_right:.1%} of the right answers")
