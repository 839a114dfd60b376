"""The commands, and how their errors end."""

import os
import sys
from typing import Annotated

import typer

import service
from service.cli import bench, classify, cutout, datasets, demo, doctor, evaluate, keys, models, serve, variants
from service.cli.saying import say_error
from service.errors import ServiceError, WrongUsage

WRONG_USAGE: tuple[type[Exception], ...] = tuple(
    kind for kind in typer.BadParameter.__mro__ if hasattr(kind, "format_message")
)
app = typer.Typer(
    name="l2r2",
    no_args_is_help=True,
    add_completion=True,
)
app.command("serve")(serve.serve)
app.command("classify")(classify.classify)
app.command("demo")(demo.demo)
app.command("evaluate")(evaluate.evaluate)
app.command("variants")(variants.variants)
app.command("cutout")(cutout.cutout)
app.command("bench")(bench.bench)
app.command("doctor")(doctor.doctor)
app.add_typer(datasets.app, name="datasets", help="The datasets of a running service, and backups of its database.")
app.add_typer(keys.app, name="keys", help="Who may use the service: make, list and revoke keys.")
app.add_typer(models.app, name="models", help="Model weights: list, pull, verify.")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"l2r2 {service.__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Zero-shot image recognition that finds the object first."""


INTERRUPTED = 130


def run() -> None:
    """Exit codes: 0 done, 1 refused with the reason on standard error, 2 wrong usage, 130 interrupted; others as
    commands tell."""
    try:
        _run()
    except SystemExit as end:
        if end.code == INTERRUPTED:  # requests may be under way whose answers nobody waits for
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        raise


def _run() -> None:
    try:
        if sys.stderr.isatty():
            app()
        sys.exit(app(standalone_mode=False) or 0)
    except ServiceError as error:
        say_error(error.code, error.detail, error.problems)
        sys.exit(1)
    except typer.Abort:
        sys.exit(1)
    except WRONG_USAGE as error:
        say_error(WrongUsage.code, str(error))
        sys.exit(2)
