"""`l2r2 datasets`: the datasets of a running service, over HTTP; backups of its database."""

import base64
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from service.cli.backup import export_datasets, import_datasets
from service.cli.calibrate import calibrate
from service.cli.remote import DEFAULT_URL, Key, Name, Service, Url
from service.client import Client, Dataset, calls
from service.errors import FieldProblem, FileUnreadable, InvalidFields

app = typer.Typer(no_args_is_help=True)
app.command("calibrate")(calibrate)
app.command("export")(export_datasets)
app.command("import")(import_datasets)


@app.command("list")
def list_datasets(url: Url = DEFAULT_URL, key: Key = None) -> None:
    """All datasets with their state."""
    table = Table(box=None, pad_edge=False)
    for column in ("dataset", "status", "progress", "classes", "version"):
        table.add_column(column)
    with Service(url, key).opened() as client:
        for row in client.datasets.list():
            cells = (f"{row.progress:.0%}", str(row.class_count), (row.version or "")[:12])
            table.add_row(escape(row.name), row.status, *cells)
    Console().print(table)


@app.command()
def show(name: Name, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """One dataset as JSON."""
    with Service(url, key).opened() as client:
        typer.echo(client.datasets.get(name).model_dump_json(indent=2, exclude_unset=True))


@app.command()
def add(
    name: Name,
    classes: Annotated[str | None, typer.Option(help="Class names, separated by commas.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="One name a line, or a JSON object as POST /datasets takes it."),
    ] = None,
    examples: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder of example pictures, in folders named by their class."),
    ] = None,
    image_weight: Annotated[float, typer.Option(help="The examples' part; 1 leaves the names out.")] = 0.5,
    replace: Annotated[bool, typer.Option(help="Replace other content under this name.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Until a long list is built.")] = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Register a class list."""
    if (classes is None and file is None and examples is None) or (classes is not None and file is not None):
        raise typer.BadParameter("give --classes, --file or --examples")
    content = _content(classes, file) if classes is not None or file is not None else {}
    if examples is not None:
        content["classes"] = with_examples(content.get("classes", []), examples, image_weight)
    send = calls.replace if replace else calls.register
    with Service(url, key).opened() as client:
        answer = client.made(send(name, content))
        if wait:
            answer = _built(client, answer)
    typer.echo(f"{answer.name}: {answer.status}, {answer.class_count} classes")


def _built(client: Client, dataset: Dataset) -> Dataset:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(dataset.name, total=1.0)
        return client.datasets.built(dataset, lambda part: bars.update(task, completed=part))


def with_examples(classes: Any, folder: Path, weight: float) -> list[dict[str, Any]]:
    """The classes with the pictures of `folder/<class>/`; folders of other names are further classes.

    Raises:
        FileUnreadable: no such pictures. InvalidFields: no list of classes.
    """
    from service.datasets.spec import clean_name
    from service.evaluation.labelled import SUFFIXES

    if not isinstance(classes, list):
        raise InvalidFields(FieldProblem("classes", "must be a list"))
    named = [dict(entry) if isinstance(entry, dict) else {"name": entry} for entry in classes]
    by_name = {clean_name(str(entry.get("name"))): entry for entry in named}
    pictures = [path for path in sorted(folder.glob("*/*")) if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not pictures:
        raise FileUnreadable(f"{folder} holds no pictures in folders named by their class")
    for path in pictures:
        name = clean_name(path.parent.name)
        if name not in by_name:
            named.append(by_name.setdefault(name, {"name": name}))
        entry = by_name[name]
        entry["images"] = [*(entry.get("images") or []), base64.b64encode(path.read_bytes()).decode()]
        entry["image_weight"] = weight
    return named


@app.command()
def versions(name: Name, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """The versions of a dataset that can be asked for, newest first."""
    table = Table("version", "made", "origin", "answers", box=None, pad_edge=False)
    with Service(url, key).opened() as client:
        for row in client.datasets.versions(name):
            made = row.created_at.isoformat(timespec="seconds")[:19]
            table.add_row(row.version[:12], made, row.origin, "now" if row.current else "")
    Console().print(table)


@app.command("use")
def use_version(
    name: Name,
    version: Annotated[str, typer.Argument(help="The first 8 or more characters.")],
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Let a kept version answer; the one that answered before is kept."""
    with Service(url, key).opened() as client:
        answer = client.datasets.use(name, version)
    typer.echo(f"{name}: {answer.version[:12]} answers now")


@app.command()
def delete(name: Name, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Delete a dataset."""
    with Service(url, key).opened() as client:
        client.datasets.delete(name)
    typer.echo(f"{name}: deleted")


def _content(classes: str | None, file: Path | None) -> dict[str, Any]:
    if file is None:
        return {"classes": [name.strip() for name in (classes or "").split(",")]}
    try:
        text = file.read_text(encoding="utf-8")
        document = json.loads(text) if file.suffix == ".json" else None
    except ValueError as error:  # of the encoding, or of JSON
        raise FileUnreadable(f"{file} cannot be read: {error}") from None
    if document is not None:
        return document if isinstance(document, dict) else {"classes": document}
    return {"classes": [line.strip() for line in text.splitlines() if line.strip()]}
