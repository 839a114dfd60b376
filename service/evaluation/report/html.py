"""The evaluation as one page that needs nothing beside it: no network, no script, light or dark as the reader likes."""

from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np

from service.errors import PackageMissing
from service.evaluation.metrics import confusion_counts
from service.evaluation.report import gallery, plots, words
from service.evaluation.report.columns import Columns, columns
from service.evaluation.report.comparison import comparison
from service.evaluation.report.figures import MEASURES, ClassRow, Measure, Summary
from service.evaluation.results import Evaluation
from service.recognition.fusion import FUSIONS
from service.recognition.reliability import reliability
from service.recognition.views import VIEWS

TEMPLATE = "report.html.j2"
MOST_DRAWN_PARTS = 24
MOST_DRAWN_CLASSES = 30
MOST_CLASSES = 1000
MOST_CONFUSIONS = 20
Drawing = tuple[str, str, str]  # a caption, a line of detail, an SVG element


def check_extra() -> None:
    """Whether pages can be made here, to be asked before hours of measuring.

    Raises:
        PackageMissing: matplotlib or jinja2 is missing.
    """
    plots.check_matplotlib()
    try:
        import jinja2  # noqa: F401
    except ModuleNotFoundError:
        raise PackageMissing("pages are filled in by jinja2: pip install '.[evaluate]'") from None


def write_html(evaluation: Evaluation, summary: Summary, path: Path, measure: Measure = "micro") -> None:
    """Raises PackageMissing where matplotlib or jinja2 is missing."""
    path.write_text(page(evaluation, summary, measure), encoding="utf-8", errors="replace")


def page(evaluation: Evaluation, summary: Summary, measure: Measure = "micro") -> str:
    """The page; the same for the same evaluation. Of all pictures at most 60 are shown, each at most 160 pixels wide.

    Raises:
        PackageMissing: matplotlib or jinja2 is missing.
    """
    check_extra()
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def drawn(drawings: Iterator[Drawing]) -> list[tuple[str, str, Markup]]:
        return [(caption, detail, Markup(svg)) for caption, detail, svg in drawings]  # noqa: S704  escaped by plots

    table = columns(evaluation)
    differing = gallery.disagreements(evaluation, table, summary)
    places = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    places.filters.update(percent=words.percent, points=words.points)
    template = places.from_string(files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8"))
    return template.render(
        summary=summary,
        measure=measure,
        measured=MEASURES[measure],
        sentences=words.sentences(summary, measure),
        comparison=comparison(summary, measure),
        bars=drawn(_bars(summary, measure)),
        reliability=drawn(_reliability(table, summary)),
        confusion=drawn(_confusion(table, summary)),
        confusions=summary.confusions[:MOST_CONFUSIONS],
        worst=list(gallery.worst_classes(evaluation, table, summary)),
        disagreements=differing,
        shown_disagreements=sum(map(len, differing.values())),
        few_answers=plots.FEW_ANSWERS,
        classes=_hardest(summary),
        explained=dict(_explained(summary.methods)),
        reasons=words.reasons,
    )


def _bars(summary: Summary, measure: Measure) -> Iterator[Drawing]:
    parts = summary.measured_parts if len(summary.measured_parts) > 1 else ()
    for part in (summary.together, *parts[:MOST_DRAWN_PARTS]):
        about = f"Bars of accuracy with intervals: {part.name}"
        yield part.name, words.counted(part.n, "picture"), plots.bars(part.scores, measure, summary.default, about)


def _reliability(table: Columns, summary: Summary) -> Iterator[Drawing]:
    best = [score.method for score in summary.together.scores if score.micro.best]
    wanted = dict.fromkeys((summary.methods[0], "fg", summary.default, *best[:1]))
    for method in (name for name in wanted if name in summary.methods):
        column = table.of(method)
        found = reliability(table.confidence[table.labelled, column], table.correct[table.labelled, column])
        drawing = plots.reliability_diagram(found, f"Accuracy against confidence: {method}")
        yield method, f"expected calibration error {words.percent(found.error)} %", drawing


def _confusion(table: Columns, summary: Summary) -> Iterator[Drawing]:
    """A matrix, if there are few enough classes; another label that counts as right stands on the diagonal."""
    if len(table.names) <= MOST_DRAWN_CLASSES:
        column, of = table.of(summary.default), table.labelled
        answered = np.where(table.correct[of, column], table.truth[of], table.predicted[of, column])
        counts = confusion_counts(table.truth[of], answered, len(table.names))
        about = f"Confusion matrix of {summary.default}"
        yield summary.default, "rows: truth, columns: answers", plots.confusion_matrix(table.names, counts, about)


def _hardest(summary: Summary) -> list[ClassRow]:
    method = summary.methods.index(summary.default)
    return sorted(summary.classes, key=lambda row: (row.shares[method], row.label))[:MOST_CLASSES]


def _explained(methods: Sequence[str]) -> Iterator[tuple[str, str]]:
    for method in methods:
        known = VIEWS.get(method) or FUSIONS.get(method)
        if known is not None:
            yield method, known.summary
