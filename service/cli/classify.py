"""`l2r2 classify`: one photograph against a list of names, without a server."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console


def classify(
    photo: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The picture.")],
    classes: Annotated[str | None, typer.Option(help="Class names, separated by commas.")] = None,
    spec: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Or a dataset as POST /datasets takes it, as JSON.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Which models to use.")] = None,
    template: Annotated[list[str] | None, typer.Option(help="Text with {} for the name; may be repeated.")] = None,
    look_for: Annotated[list[str] | None, typer.Option(help="What the localizer looks for; may be repeated.")] = None,
    branches: Annotated[str | None, typer.Option(help="Which views answer, separated by commas.")] = None,
    fusion: Annotated[str | None, typer.Option(help="How the branches become one answer.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="Any other field of POST /classify, as name=value; may be repeated."),
    ] = None,
    top_k: Annotated[int, typer.Option(min=1, help="How many classes to show.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print the document that the service would send.")] = False,
    overlay: Annotated[
        Path | None, typer.Option("--save-overlay", help="Draw the boxes and answers into a copy of the picture.")
    ] = None,
) -> None:
    """Classify one photograph and show what every view says."""
    from service.cli.local import LocalRecognizer, read_options, read_spec
    from service.cli.render import check_overlay_name, report, save_overlay

    if overlay is not None:
        check_overlay_name(overlay)
    wishes: dict[str, Any] = {"top_k": str(top_k), "branches": branches, "fusion": fusion}
    options = read_options(option or [], wishes)
    dataset = read_spec(classes, spec, template, look_for)
    image = photo.read_bytes()
    local = LocalRecognizer(profile)
    answer = local.recognize([image], dataset, options)[0]
    if as_json:
        typer.echo(json.dumps(local.document(answer, dataset), indent=2, ensure_ascii=False))
    else:
        Console().print(report(photo.name, answer))
    if overlay is not None:
        save_overlay(image, answer, overlay)
    local.close()
