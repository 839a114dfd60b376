"""`l2r2 classify`: one photograph against a list of names, without a server."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def classify(
    photo: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The picture.")],
    classes: Annotated[str, typer.Option(help="Class names, separated by commas.")],
    profile: Annotated[str | None, typer.Option(help="Which models to use.")] = None,
    template: Annotated[list[str] | None, typer.Option(help="Text with {} for the name; may be repeated.")] = None,
    look_for: Annotated[list[str] | None, typer.Option(help="What the localizer looks for; may be repeated.")] = None,
    fusion: Annotated[str, typer.Option(help="How the branches become one answer.")] = "max_confidence",
    top_k: Annotated[int, typer.Option(min=1, help="How many classes to show.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print the document that the service would send.")] = False,
    overlay: Annotated[
        Path | None, typer.Option("--save-overlay", help="Draw the box and the answer into a copy of the picture.")
    ] = None,
) -> None:
    """Classify one photograph and show what both branches say."""
    from service.cli.local import LocalRecognizer
    from service.cli.render import check_overlay_name, report, save_overlay
    from service.datasets.spec import ClassEntry, DatasetSpec, clean_name
    from service.recognition.prompts import DEFAULT_TEMPLATE
    from service.recognizer import Options

    if overlay is not None:
        check_overlay_name(overlay)
    spec = DatasetSpec(
        classes=tuple(ClassEntry(clean_name(name)) for name in classes.split(",")),
        templates=tuple(template or [DEFAULT_TEMPLATE]),
        localizer_prompts=tuple(look_for or []),
        fusion=fusion,
    )
    image = photo.read_bytes()
    local = LocalRecognizer(profile)
    answer = local.recognize([image], spec, Options(top_k=top_k))[0]
    if as_json:
        typer.echo(json.dumps(local.document(answer, spec), indent=2, ensure_ascii=False))
    else:
        Console().print(report(photo.name, answer))
    if overlay is not None:
        save_overlay(image, answer, overlay)
    local.close()
