"""`l2r2 evaluate`: every branch and every fusion, side by side, on labelled pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from service.cli.completing import Profile

if TYPE_CHECKING:
    from service.cli.measuring import Material
    from service.evaluation.report.figures import Measure
    from service.evaluation.results import Evaluation

ALL = "all"
SpecFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Or a dataset as JSON, as in POST /datasets.")
]
OutFolder = Annotated[
    Path | None,
    typer.Option("--out", "-o", file_okay=False, help="Folder for report.html, .json, .csv and answers.csv."),
]


def evaluate(
    data: Annotated[Path, typer.Option(exists=True, help="Folder of label folders, CSV or parquet table, benchmark.")],
    dataset: Annotated[str | None, typer.Option(help="Name of a registered dataset (in L2R2_DATA_DIR).")] = None,
    spec: SpecFile = None,
    benchmark: Annotated[str | None, typer.Option(help="Or the name of a published benchmark's layout.")] = None,
    split: Annotated[str | None, typer.Option(help="Split of the benchmark.")] = None,
    branches: Annotated[str | None, typer.Option(help="Views to measure, or all; else those that answer.")] = None,
    combine: Annotated[list[str] | None, typer.Option(help="Views to fuse, such as full+fg; may be repeated.")] = None,
    fusions: Annotated[str | None, typer.Option(help="Fusions to measure, or all that apply.")] = None,
    cascades: Annotated[str | None, typer.Option(help="Confidences at which a first view answers alone.")] = None,
    option: Annotated[list[str] | None, typer.Option("--set", help="name=value: how views are made.")] = None,
    out: OutFolder = None,
    cache: Annotated[Path | None, typer.Option(help="File of kept embeddings; by default in --out.")] = None,
    macro: Annotated[bool, typer.Option(help="Show macro-averaged accuracy.")] = False,
    markdown: Annotated[bool, typer.Option(help="Print the table as Markdown.")] = False,
    parts: Annotated[str | None, typer.Option(help="Only these parts of the data.")] = None,
    none_of_them: Annotated[str | None, typer.Option(help="Parts whose pictures show none of the classes.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many pictures, evenly spread.")] = None,
    resamples: Annotated[int, typer.Option(min=1, help="Bootstrap resamples of the intervals.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resamples.")] = 0,
    profile: Profile = None,
) -> None:
    """Accuracy of every view and every fusion on labelled pictures, with intervals, and how far backgrounds mislead.

    Without --dataset, --spec or --benchmark the labels of the pictures are the classes. Interrupted, it goes on where
    it stopped: embeddings are kept.
    """
    from service.cli.measuring import Source, gather

    combinations = _combinations(combine or ())
    shown = _shown(branches, combinations, profile)
    _check_fusions(fusions)
    levels = _levels(cascades)
    _prepare(out)
    kept = cache or (out / "looks.sqlite" if out else None)
    some = (_names(parts), _names(none_of_them))
    material = gather(Source(data, dataset, spec, benchmark, split, *some, limit), profile, shown, option or (), kept)
    evaluation = _evaluation(material, shown, combinations, fusions, levels)
    _report(evaluation, material.unreadable, out, "macro" if macro else "micro", (resamples, seed, markdown))


def _names(text: str | None) -> tuple[str, ...]:
    """Each once, in their order; none for a text of commas and spaces."""
    return tuple(dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip()))


def _combinations(texts: Sequence[str]) -> list[tuple[str, ...]]:
    """Views to be fused, in their usual order. Raises InvalidFields, listing the known names."""
    from service.datasets.checks import branch_problems
    from service.errors import InvalidFields
    from service.recognition.views import VIEWS

    asked = [[part.strip() for part in text.split("+")] for text in texts]
    problems = [problem for names in asked for problem in branch_problems("combine", names)]
    if problems:
        raise InvalidFields(*problems)
    return [tuple(name for name in VIEWS if name in names) for names in asked]


def _check_fusions(fusions: str | None) -> None:
    """Raises InvalidFields for names that are not known, before any picture is looked at."""
    from service.errors import FieldProblem, InvalidFields
    from service.recognition.fusion import FUSIONS

    unknown = [name for name in _names(fusions) if name not in (*FUSIONS, ALL)]
    if unknown:
        raise InvalidFields(FieldProblem("fusions", f"{unknown[0]!r} is not known", tuple(FUSIONS)))


def _prepare(out: Path | None) -> None:
    """Before any picture is looked at. Raises OutputRefused, PackageMissing: the report cannot be written or drawn."""
    from service.errors import OutputRefused
    from service.evaluation.report.html import check_extra

    if out is None:
        return
    check_extra()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputRefused(f"{out} cannot be written to: {error}") from None


def _shown(branches: str | None, combinations: Sequence[tuple[str, ...]], profile: str | None) -> list[str] | None:
    """The views to look at: those asked for and those to be fused; None for those that answer."""
    from service.engine import chosen_models
    from service.models.catalog import GIVES_MASKS
    from service.recognition.views import VIEWS
    from service.settings import load_settings

    if branches is None and not combinations:
        return None
    localizer, _, segmenter = chosen_models(load_settings(profile=profile))
    masks = segmenter is not None or localizer.family in GIVES_MASKS
    possible = [name for name, view in VIEWS.items() if masks or not view.needs_mask]
    named = possible if branches == ALL else _names(branches)
    return list(dict.fromkeys([*named, *(name for names in combinations for name in names)]))


def _evaluation(
    material: "Material",
    shown: Sequence[str] | None,
    combinations: Sequence[tuple[str, ...]],
    fusions: str | None,
    levels: Sequence[float],
) -> "Evaluation":
    from service.evaluation.methods import chosen_fusions, evaluate
    from service.recognition.views import VIEWS

    asked = _names(fusions)
    names = asked if asked and ALL not in asked else None
    seen = [name for name in VIEWS if name in {"full", *(shown or material.usual_branches)}]
    usual = tuple(name for name in VIEWS if name in material.usual_branches and name in seen) or ("full",)
    fused = {names: chosen_fusions(None, material.dataset, names) for names in combinations or (usual,)}
    if names is not None:
        fused = {combined: chosen_fusions(names, material.dataset, combined) for combined in fused}
    dataset, scale = material.dataset, material.logit_scale
    return evaluate(material.pictures, material.looks, dataset, scale, seen, fused, material.about, levels)


def _levels(cascades: str | None) -> list[float]:
    from service.errors import FieldProblem, InvalidFields

    try:
        levels = [float(part) for part in _names(cascades)]
    except ValueError:
        levels = [-1.0]
    if not all(0 <= level <= 1 for level in levels):
        raise InvalidFields(FieldProblem("cascades", f"{cascades!r} are not confidences separated by commas"))
    return list(dict.fromkeys(levels))


def _report(
    evaluation: "Evaluation",
    unreadable: Sequence[str],
    out: Path | None,
    measure: "Measure",
    how: tuple[int, int, bool],
) -> None:
    """`how`: resamples, seed, and whether the table is printed as Markdown."""
    from service.evaluation.report.files import write_answers, write_csv, write_json
    from service.evaluation.report.html import write_html
    from service.evaluation.report.summary import summarize
    from service.evaluation.report.terminal import markdown, report

    resamples, seed, as_markdown = how
    summary = summarize(evaluation, resamples=resamples, seed=seed)
    for line in unreadable:
        Console(stderr=True).print(line, highlight=False, markup=False)
    if as_markdown:
        typer.echo(markdown(summary, measure))
    else:
        Console().print(report(summary, measure))
    if out is not None:
        write_json(summary, out / "report.json")
        write_csv(summary, out / "report.csv")
        write_answers(evaluation, out / "answers.csv")
        write_html(evaluation, summary, out / "report.html", measure)
        typer.echo(f"written in {out}: report.html, report.json, report.csv, answers.csv")
