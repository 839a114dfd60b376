"""`l2r2 variants`: labelled pictures with other backgrounds or none, to measure what answers owe to the background."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from service.cli.completing import Profile

if TYPE_CHECKING:
    from service.evaluation.objects import ObjectFinder
    from service.evaluation.variants import Finder, MaskOf, VariantsSummary
    from service.recognition.boxes import Box
    from service.recognition.views import Mask, Pixels

REASONS_SHOWN = 5


def variants(
    data: Annotated[
        Path, typer.Option(exists=True, help="CSV or parquet (path, label, mask or box), or a folder for each label.")
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", file_okay=False, help="Folder for the pictures, variants.csv and skipped.csv."),
    ],
    kinds: Annotated[str | None, typer.Option(help="Which, by commas; by default all but mixed_adversarial.")] = None,
    seed: Annotated[int, typer.Option(help="Another number draws other backgrounds.")] = 0,
    adversarial: Annotated[int, typer.Option(help="Backgrounds of other classes for each object; 0 for none.")] = 0,
    segment: Annotated[bool, typer.Option(help="Have models find the objects that have no mask.")] = True,
    prompt: Annotated[
        list[str] | None, typer.Option(help="What to look for instead of each picture's label; may be repeated.")
    ] = None,
    profile: Profile = None,
    workers: Annotated[int | None, typer.Option(help="Processes that compose; one for each processor.")] = None,
    picture_format: Annotated[
        str, typer.Option("--format", help="png, or jpeg: smaller, but its black is not quite black.")
    ] = "png",
) -> None:
    """Make the data sets of Xiao et al. 2020 (Noise or Signal) from labelled pictures, for `l2r2 evaluate`."""
    from service.cli.saying import errors
    from service.evaluation.variants import DEFAULT_KINDS

    _check_folders(data, out)
    names = DEFAULT_KINDS if kinds is None else tuple(name.strip() for name in kinds.split(",") if name.strip())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as bars:
        models = _Models(profile, tuple(prompt or ()), bars) if segment else None
        summary = _make(data, out, names, seed, adversarial, models, workers, picture_format, bars)
    _report(summary)


def _make(
    data: Path, out: Path, kinds: tuple[str, ...], seed: int, adversarial: int, models: "_Models | None",
    workers: int | None, picture_format: str, bars: Progress,
) -> "VariantsSummary":  # fmt: skip
    from service.evaluation.labelled import read_labelled
    from service.evaluation.variants import make_variants
    from service.models.hardware import usable_processors

    tasks = {stage: bars.add_task(stage, total=None) for stage in ("objects", "variants")}
    try:
        return make_variants(
            read_labelled(data),
            out,
            kinds,
            seed,
            finder=models.finder() if models else None,
            adversarial=adversarial,
            picture_format=picture_format,
            workers=usable_processors() if workers is None else workers,
            advance=lambda stage, done, total: bars.update(tasks[stage], completed=done, total=total),
        )
    finally:
        if models:
            models.close()


class _Models:
    """The models that find objects, loaded when the first picture needs them."""

    def __init__(self, profile: str | None, prompts: tuple[str, ...], bars: Progress) -> None:
        self._profile, self._prompts, self._bars = profile, prompts, bars
        self._objects: ObjectFinder | None = None

    def finder(self) -> "Finder":
        from service.evaluation.variants import Finder
        from service.settings import load_settings

        settings = load_settings(profile=self._profile)
        return Finder(self._mask_of_label, " ".join((settings.profile, settings.localizer or "", *self._prompts)))

    def close(self) -> None:
        if self._objects is not None:
            self._objects.close()

    def _mask_of_label(self, label: str) -> "MaskOf":
        from service.errors import InvalidFields, ModelFailed

        objects = self._objects = self._objects or self._load()
        try:
            objects.check_prompts(self._prompts or (label,))
        except InvalidFields as error:
            if self._prompts:
                raise
            raise ModelFailed(f"its label cannot be looked for: {error.detail}") from None

        def mask_of(rgb: "Pixels", box: "Box | None") -> "tuple[Box, Mask] | None":
            found = objects.find(rgb, self._prompts or (label,), box)
            # A mask that is the whole box would carry its background along
            if found is None or found.mask is None or found.mask_source == "box":
                return None
            return found.box, found.mask

        return mask_of

    def _load(self) -> "ObjectFinder":
        from service.evaluation.objects import ObjectFinder
        from service.models.weights import BarProgress
        from service.telemetry import configure_logging

        configure_logging("warning", "text")
        return ObjectFinder.load(self._profile, BarProgress(self._bars))


def _check_folders(data: Path, out: Path) -> None:
    from service.errors import OutputRefused

    if data.is_dir() and out.resolve().is_relative_to(data.resolve()):
        raise OutputRefused(f"{out} lies in {data}: what is made there would be taken for data the next time")


def _report(summary: "VariantsSummary") -> None:
    from service.evaluation.variants import VARIANTS

    console = Console()
    table = Table(box=None, pad_edge=False)
    for column in ("part", "pictures", "what they show"):
        table.add_column(column)
    for part, count in summary.pictures.items():
        table.add_row(part, str(count), VARIANTS[part].summary)
    console.print(table)
    console.print(Text(f"{summary.made} made now, {sum(summary.pictures.values()) - summary.made} before"))
    reasons = Counter(one.reason for one in summary.skipped).most_common(REASONS_SHOWN)
    for reason, count in reasons:
        console.print(Text(f"left out ({count}): {reason}"))
    console.print(Text(f"{summary.table}  {summary.table.with_name('skipped.csv')}"), soft_wrap=True)
