"""`l2r2 evaluate`: how often the answers are right on labelled pictures."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress


def evaluate(
    table: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="CSV: path, label and, if wanted, part, accept."),
    ],
    profile: Annotated[str | None, typer.Option(help="Which models to use.")] = None,
    card: Annotated[
        Path | None, typer.Option(exists=True, help="Put the figures into this card of the text projector.")
    ] = None,
) -> None:
    """Accuracy of the full picture, of the crop, and of both fused, for each part of a labelled collection."""
    from service.cli.local import LocalRecognizer, errors
    from service.evaluation.labelled import markdown, measure, read_labelled
    from service.models.projector.card import add_measurements

    pictures = read_labelled(table)
    local = LocalRecognizer(profile)
    with Progress(console=errors, transient=True) as bars:
        task = bars.add_task("pictures", total=len(pictures))
        measured = asyncio.run(measure(local.recognizer, pictures, lambda: bars.advance(task)))
    local.close()
    Console().print(markdown(measured), highlight=False)
    if card is not None:
        add_measurements(card, markdown(measured))
