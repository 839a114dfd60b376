"""The commands, and how their errors end."""

import sys

import typer
from rich.console import Console
from rich.markup import escape

from service.cli import bench, classify, cutout, datasets, demo, evaluate, keys, models, serve, variants
from service.errors import ServiceError

app = typer.Typer(
    name="l2r2",
    no_args_is_help=True,
    add_completion=True,
    help="Zero-shot image recognition that finds the object first.",
)
app.command("serve")(serve.serve)
app.command("classify")(classify.classify)
app.command("demo")(demo.demo)
app.command("evaluate")(evaluate.evaluate)
app.command("variants")(variants.variants)
app.command("cutout")(cutout.cutout)
app.command("bench")(bench.bench)
app.add_typer(datasets.app, name="datasets", help="The datasets of a running service, and backups of its database.")
app.add_typer(keys.app, name="keys", help="Who may use the service: make, list and revoke keys.")
app.add_typer(models.app, name="models", help="Model weights: list, pull, verify.")


def run() -> None:
    """Exit codes: 0 done, 1 refused with the reason on standard error, 2 wrong usage."""
    try:
        app()
    except ServiceError as error:
        Console(stderr=True).print(f"[red]error[/red] ({error.code}):", escape(error.detail))
        sys.exit(1)
