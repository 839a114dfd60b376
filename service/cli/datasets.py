"""`l2r2 datasets`: the datasets of a running service, over HTTP."""

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from service.errors import BadRequest, ServiceError, ServiceUnreachable

app = typer.Typer(no_args_is_help=True)
Url = Annotated[str, typer.Option(help="Address of the service.")]
Name = Annotated[str, typer.Argument(help="Name of the dataset.")]
DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT_S = 120


@app.command("list")
def list_datasets(url: Url = DEFAULT_URL) -> None:
    """All datasets with their state."""
    table = Table(box=None, pad_edge=False)
    for column in ("dataset", "status", "progress", "classes", "version"):
        table.add_column(column)
    for row in _call("GET", url, "/datasets")["datasets"]:
        cells = (f"{row['progress']:.0%}", str(row["class_count"]), (row["version"] or "")[:12])
        table.add_row(escape(row["name"]), row["status"], *cells)
    Console().print(table)


@app.command()
def show(name: Name, url: Url = DEFAULT_URL) -> None:
    """One dataset as JSON."""
    typer.echo(json.dumps(_call("GET", url, _path(name)), indent=2, ensure_ascii=False))


@app.command()
def add(
    name: Name,
    classes: Annotated[str | None, typer.Option(help="Class names, separated by commas.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="One name a line, or a JSON object as POST /datasets takes it."),
    ] = None,
    replace: Annotated[bool, typer.Option(help="Replace other content under this name.")] = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Register a class list."""
    if (classes is None) == (file is None):
        raise typer.BadParameter("give either --classes or --file")
    content = _content(classes, file) | {"name": name}
    answer = _call("PUT", url, _path(name), content) if replace else _call("POST", url, "/datasets", content)
    typer.echo(f"{answer['name']}: {answer['status']}, {answer['class_count']} classes")


@app.command()
def delete(name: Name, url: Url = DEFAULT_URL) -> None:
    """Delete a dataset."""
    _call("DELETE", url, _path(name))
    typer.echo(f"{name}: deleted")


def _path(name: str) -> str:
    return f"/datasets/{quote(name, safe='')}"


def _content(classes: str | None, file: Path | None) -> dict[str, Any]:
    if file is None:
        return {"classes": [name.strip() for name in (classes or "").split(",")]}
    try:
        text = file.read_text(encoding="utf-8")
        document = json.loads(text) if file.suffix == ".json" else None
    except ValueError as error:  # of the encoding, or of JSON
        raise BadRequest(f"{file} cannot be read: {error}") from None
    if document is not None:
        return document if isinstance(document, dict) else {"classes": document}
    return {"classes": [line.strip() for line in text.splitlines() if line.strip()]}


def _call(method: str, url: str, path: str, body: Any = None) -> Any:
    """The answer's JSON. Raises ServiceError with the service's own words, or that it does not answer."""
    try:
        response = httpx.request(method, url.rstrip("/") + path, json=body, timeout=TIMEOUT_S)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise ServiceUnreachable(f"no service answers at {url}: {error}") from None
    if response.is_error:
        detail = response.json()["detail"] if "json" in response.headers.get("content-type", "") else response.text
        raise ServiceError(f"{response.status_code}: {detail}")
    return response.json() if response.content else None
