"""`l2r2 models`: what is known, what is here, and whether it is intact."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from service.models.catalog import Model

app = typer.Typer(no_args_is_help=True)
Names = Annotated[list[str] | None, typer.Argument(help="Models or profiles; by default the chosen profile's.")]


@app.command("list")
def list_models() -> None:
    """Every known model, whether its weights are here, its licence and source."""
    from service.engine import weights_store
    from service.models.catalog import MODELS
    from service.settings import load_settings

    store = weights_store(load_settings())
    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True, min_width=max(map(len, MODELS)))  # to be copied into `models pull`
    for column in ("kind", "weights", "size", "licence", "revision", "note"):
        table.add_column(column)
    for row in MODELS.values():
        status = store.status(row)
        size = f"{row.size_bytes / 1e6:.0f} MB" if row.size_bytes else ""
        table.add_row(row.name, row.kind, status.state, size, row.licence, (status.commit or "")[:12], row.note)
    Console().print(table)


@app.command()
def pull(names: Names = None) -> None:
    """Download weights that are missing and check them."""
    from service.cli.local import download_bars
    from service.engine import weights_store
    from service.settings import load_settings

    settings = load_settings()
    with download_bars() as progress:
        store = weights_store(settings, progress)
        for row in _rows(names):
            folder = store.folder(row)
            typer.echo(f"{row.name}: {folder}")


@app.command()
def verify(names: Names = None) -> None:
    """Hash every file in full and compare; exit code 1 if one is missing or differs."""
    from service.engine import weights_store
    from service.settings import load_settings

    store = weights_store(load_settings())
    sound = True
    for row in _rows(names):
        for check in store.verify(row):
            sound &= check.state == "present"
            typer.echo(f"{row.name}: {check.expected.name}: {check.state}")
    raise typer.Exit(0 if sound else 1)


def _rows(names: Iterable[str] | None) -> "list[Model]":
    """Raises InvalidFields for a name that is neither a model nor a profile."""
    from service.engine import chosen_models
    from service.errors import FieldProblem, InvalidFields
    from service.models.catalog import MODELS, PROFILES
    from service.settings import load_settings

    if not names:
        return [row for row in chosen_models(load_settings()) if row is not None]
    rows = []
    for name in names:
        if name in PROFILES:
            rows += [row for row in chosen_models(load_settings(profile=name)) if row is not None]
        elif name in MODELS:
            rows.append(MODELS[name])
        else:
            known = f"models {', '.join(MODELS)}; profiles {', '.join(PROFILES)}"
            raise InvalidFields(FieldProblem("model", f"{name!r} is not known; known are the {known}"))
    return [row for row in dict.fromkeys(rows) if row.source is not None]


@app.command()
def build_projector(
    cache: Annotated[Path, typer.Option(help="Folder for the downloaded drawings and their embeddings.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write to; by default the package's own.")] = None,
    folds: Annotated[int, typer.Option(min=2, help="Parts of the cross-validation over names.")] = 5,
) -> None:
    """Make the embedded profile's text projector anew from openly licensed drawings (extra `projector`)."""
    from service.engine import weights_store
    from service.models.catalog import MODELS
    from service.models.projector.build import build
    from service.settings import load_settings

    folder = weights_store(load_settings()).folder(MODELS["embedded"])
    console = Console()
    build(
        cache,
        out or Path(__file__).parents[1] / "models" / "projector",
        folds=folds,
        progress=console.print,
        image_encoder_onnx=folder / "clip_encoder.int8.onnx",
        minilm_dir=folder / "minilm",
    )
