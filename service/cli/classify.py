"""`l2r2 classify`: photographs against a list of names, without a server or with one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli import completing
from service.cli.answered import to_file, to_terminal
from service.cli.asking import Classes, Wishes, local, question_of, remote
from service.cli.remote import Key, Service
from service.errors import FieldProblem, InvalidFields

if TYPE_CHECKING:
    from service.cli.outputs import Output

Texts = list[str] | None
Photos = Annotated[list[str], typer.Argument(metavar="PICTURE", help="Files, folders, or patterns such as '**/*.jpg'.")]
Names = Annotated[str | None, typer.Option(help="Class names, separated by commas.")]
Spec = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Or a dataset as JSON, as in POST /datasets.")
]
Dataset = Annotated[
    str | None, typer.Option(help="Or one that the server holds.", autocompletion=completing.dataset_names)
]
Server = Annotated[str | None, typer.Option(help="Address of a service that answers, in place of models here.")]
Profile = Annotated[str | None, typer.Option(help="Which models to use here.", autocompletion=completing.profiles)]
Template = Annotated[Texts, typer.Option(help="Text with {} for the name; may be repeated.")]
LookFor = Annotated[Texts, typer.Option(help="What the localizer looks for; may be repeated.")]
Branches = Annotated[
    str | None, typer.Option(help="Which views answer, separated by commas.", autocompletion=completing.branches)
]
Fusion = Annotated[
    str | None, typer.Option(help="How the branches become one answer.", autocompletion=completing.fusions)
]
Set = Annotated[Texts, typer.Option("--set", help="Any other field of POST /classify, as name=value; may be repeated.")]
TopK = Annotated[int, typer.Option(min=1, help="How many classes to show.")]
Json = Annotated[bool, typer.Option("--json", help="Print what the service would send, of many pictures a line each.")]
Overlay = Annotated[
    Path | None, typer.Option("--save-overlay", help="Draw the boxes and answers into a copy of the picture.")
]
Out = Annotated[Path | None, typer.Option("--out", "-o", dir_okay=False, help="File for the answers, by its suffix.")]
Form = Annotated[str | None, typer.Option("--format", help="csv, jsonl, parquet, coco or label-studio.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with --out: what it has answers to is not asked again.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Begin --out anew if it is there.")]
Concurrency = Annotated[int, typer.Option(min=1, max=256, help="Pictures at a time.")]


def classify(
    photos: Photos, classes: Names = None, spec: Spec = None, dataset: Dataset = None, server: Server = None,
    key: Key = None, profile: Profile = None, template: Template = None, look_for: LookFor = None,
    branches: Branches = None, fusion: Fusion = None, option: Set = None, top_k: TopK = 5, as_json: Json = False,
    overlay: Overlay = None, out: Out = None, form: Form = None, resume: Resume = False,
    overwrite: Overwrite = False, concurrency: Concurrency = 4,
) -> None:  # fmt: skip
    """Classify photographs and show what every view says, or write a file of all answers.

    Exit codes: 0 all answered, 1 refused (the reason is on standard error; answers until then are in the file), 2 wrong
    usage, 3 some pictures failed, 4 the service went away or stayed overloaded (--resume goes on), 130 interrupted.
    """
    from service.cli.inputs import pictures_of

    pictures = pictures_of(photos)
    one_named = photos == pictures and len(pictures) == 1
    if overlay is not None:
        _check_overlay(overlay, one_named)
    wishes = Wishes({"top_k": str(top_k), "branches": branches, "fusion": fusion}, option or [])
    asked = Classes(dataset, classes, spec, template or None, look_for or None)
    output = _output(out, form, resume, overwrite, question_of(asked, wishes, profile))
    if server is not None and profile is not None:
        raise InvalidFields(FieldProblem("profile", "is the service's own with --server"))
    if server is None:
        answering = local(asked, wishes, profile, concurrency)
    else:
        answering = remote(asked, wishes, Service(server, key), concurrency)
    if output is not None:
        raise typer.Exit(to_file(answering, pictures, output))
    raise typer.Exit(to_terminal(answering, pictures, as_json, one_named, overlay))


def _output(out: Path | None, form: str | None, resume: bool, overwrite: bool, question: str) -> "Output | None":
    """Raises InvalidFields, OutputRefused, PackageMissing, before any model is loaded."""
    from service.cli.outputs import Output, format_of

    if out is None:
        if form is not None or resume or overwrite:
            raise InvalidFields(FieldProblem("out", "is missing: --format, --resume and --overwrite tell of a file"))
        return None
    if resume and overwrite:
        raise InvalidFields(
            FieldProblem("resume", "goes on with the file that --overwrite begins anew; give one of them")
        )
    return Output.opened(out, format_of(out, form), resume=resume, overwrite=overwrite, question=question)


def _check_overlay(overlay: Path, one_named: bool) -> None:
    """Raises InvalidFields."""
    from service.cli.render import check_overlay_name

    if not one_named:
        raise InvalidFields(FieldProblem("save-overlay", "draws into one picture; several were named"))
    check_overlay_name(overlay)
