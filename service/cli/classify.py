"""`l2r2 classify`: one photograph against a list of names, here or by a running service."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from service.cli.remote import Key, Service
from service.errors import FieldProblem, InvalidFields

if TYPE_CHECKING:
    from service.recognition.answers import Recognition

Server = Annotated[str | None, typer.Option(help="Address of a service that answers, instead of models here.")]


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
    server: Server = None,
    key: Key = None,
) -> None:
    """Classify one photograph and show what every view says."""
    from service.cli.render import check_overlay_name, report, save_overlay

    if overlay is not None:
        check_overlay_name(overlay)
    wishes: dict[str, Any] = {"top_k": str(top_k), "branches": branches, "fusion": fusion}
    asked = _Asked(photo.read_bytes(), classes, spec, template, look_for, wishes, option or [])
    if server is not None and profile is not None:
        raise InvalidFields(FieldProblem("profile", "is the service's own with --server"))
    answer, document = _here(asked, profile) if server is None else _there(asked, Service(server, key))
    if as_json:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        Console().print(report(photo.name, answer))
    if overlay is not None:
        save_overlay(asked.image, answer, overlay)


@dataclass(frozen=True)
class _Asked:
    image: bytes
    classes: str | None
    spec: Path | None
    templates: Sequence[str] | None
    look_for: Sequence[str] | None
    wishes: Mapping[str, Any]
    pairs: Sequence[str]


def _here(asked: _Asked, profile: str | None) -> "tuple[Recognition, dict[str, Any]]":
    from service.cli.local import LocalRecognizer, read_options, read_spec

    options = read_options(asked.pairs, asked.wishes)
    dataset = read_spec(asked.classes, asked.spec, asked.templates, asked.look_for)
    local = LocalRecognizer(profile)
    try:
        [answer] = local.recognize([asked.image], dataset, options)
        return answer, local.document(answer, dataset)
    finally:
        local.close()


def _there(asked: _Asked, service: Service) -> "tuple[Recognition, dict[str, Any]]":
    """Raises InvalidFields for what a class list of a request has no place for."""
    from service.cli.answers import recognition_of
    from service.cli.local import read_options

    read_options(asked.pairs, asked.wishes)
    if asked.classes is None:
        raise InvalidFields(FieldProblem("classes", "give --classes with --server; `l2r2 datasets add` registers more"))
    if len(asked.look_for or ()) > 1:
        raise InvalidFields(FieldProblem("look_for", "a request looks for one; `l2r2 datasets add` registers more"))
    fields = {name: value for name, value in asked.wishes.items() if value is not None}
    fields |= dict(pair.split("=", 1) for pair in asked.pairs)
    fields["classes"] = json.dumps(asked.classes.split(","))
    if asked.templates:
        fields["templates"] = json.dumps(list(asked.templates))
    if asked.look_for:
        fields["localizer_prompt"] = asked.look_for[0]
    document = service.classify(asked.image, fields)
    return recognition_of(document), document
