"""`l2r2 cutout`: the object of every picture of a collection, without its background."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.cli.completing import Profile

if TYPE_CHECKING:
    from service.evaluation.cutout.options import CutoutOptions
    from service.evaluation.cutout.review import Thresholds
    from service.evaluation.cutout.run import Summary


def cutout(
    data: Annotated[Path, typer.Option(exists=True, help="Pictures in folders by label, or a CSV or parquet table.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", file_okay=False, help="Folder to write to; goes on where it stopped.")
    ],
    ground: Annotated[
        str, typer.Option(help="Background: transparent, crop (as it is), mean (ImageNet's), black, white, #rrggbb.")
    ] = "transparent",
    frame: Annotated[str, typer.Option(help="box, or picture for cut-outs of the whole picture's size.")] = "box",
    margin: Annotated[float, typer.Option(help="Widening of the box on every side, as a part of its size.")] = 0.0,
    prompt: Annotated[
        list[str] | None, typer.Option("--prompt", "--look-for", help="What to look for; may be repeated.")
    ] = None,
    profile: Profile = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that compose and encode; 0 for none of their own.")
    ] = None,
    picture_format: Annotated[str, typer.Option("--format", help="png, webp (without loss) or jpeg.")] = "png",
    min_score: Annotated[
        float | None, typer.Option(help="Less certain boxes are for review; by default the localizer's own threshold.")
    ] = None,
    min_area: Annotated[
        float | None, typer.Option(help="Objects on a smaller share of their picture are for review; 0.01 by default.")
    ] = None,
) -> None:
    """Cut the objects out of a collection, and list the cut-outs that a person should look at."""
    from service.errors import PackageMissing

    try:
        from service.evaluation.cutout.options import CutoutOptions
        from service.evaluation.cutout.review import DEFAULT_THRESHOLDS, Thresholds
    except ModuleNotFoundError as error:
        raise PackageMissing(f"cut-outs are checked with {error.name}: pip install '.[evaluate]'") from None
    options = CutoutOptions(ground, frame, margin, picture_format, tuple(prompt or ()))
    area = DEFAULT_THRESHOLDS.min_area if min_area is None else min_area
    summary = _run(data, out, options, Thresholds(min_score=min_score, min_area=area), profile, workers)
    for line in sentences(summary, out):
        typer.echo(line)


def _run(
    data: Path, out: Path, options: "CutoutOptions", thresholds: "Thresholds", profile: str | None, workers: int | None
) -> "Summary":
    from service.cli.local import download_bars
    from service.cli.saying import errors
    from service.evaluation.cutout.run import run
    from service.evaluation.objects import ObjectFinder
    from service.images import ImageLimits
    from service.models.hardware import usable_processors
    from service.settings import load_settings
    from service.telemetry import configure_logging

    configure_logging("warning", "text")
    settings = load_settings(profile=profile)
    limits = ImageLimits(max_bytes=settings.max_image_bytes, max_pixels=settings.max_image_pixels)
    with download_bars() as downloads:
        finder = ObjectFinder.load(profile, downloads)
    if options.prompts and not finder.localizer.reads_prompts:
        typer.echo(f"{finder.localizer.name} knows no words: prompts have no effect", err=True)
    columns = (TextColumn("pictures"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as bars:
        bar = bars.add_task("pictures", total=None)
        summary = run(
            data,
            out,
            options,
            finder,
            thresholds=thresholds,
            limits=limits,
            workers=usable_processors() if workers is None else workers,
            advance=lambda done, total: bars.update(bar, completed=done, total=total),
        )
    finder.close()
    return summary


def sentences(summary: "Summary", out: Path) -> Iterator[str]:
    """What was done, what a person should look at, and where it is."""
    from service.evaluation.cutout.run import MANIFEST_FILE, REVIEW_FILE, SHEET_FILE

    yield f"{summary.total} pictures: {summary.made} cut out now, {summary.made_before} before, {summary.without} not"
    why = ", ".join(f"{name} {count}" for name, count in summary.reasons.items())
    yield f"{summary.suspicious} ({summary.share:.1%}) are for review{': ' + why if why else ''}"
    if not summary.masked:
        yield "no model saw a shape: every object is its whole box"
    yield f"{out / MANIFEST_FILE}  {out / REVIEW_FILE}  {out / SHEET_FILE}"
