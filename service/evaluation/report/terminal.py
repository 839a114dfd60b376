"""The figures in the terminal and in Markdown."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from service.evaluation.report.comparison import Cell, comparison
from service.evaluation.report.figures import MEASURES, Measure, Score, Summary
from service.evaluation.report.words import UNKNOWN, percent, points, sentences

WIDEST_COLUMN, WIDEST_FIRST = 24, 28  # characters; longer names go on in the next line
Column = tuple[str, Sequence[Text]]


@dataclass(frozen=True)
class Wide:
    """A table whose columns go on below, beside the first one again, where the terminal is too narrow for all.

    columns: a head and a text for each row. breaks: the rows after which there is a gap.
    """

    columns: Sequence[Column]
    breaks: frozenset[int] = frozenset()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        unlimited = options.update(max_width=10_000)
        first, *others = self.columns
        group = [first]
        for column in others:
            needed = console.measure(self._table([*group, column]), options=unlimited).maximum
            if len(group) > 1 and needed > options.max_width:
                yield self._table(group)
                yield Text()
                group = [first]
            group.append(column)
        yield self._table(group)

    def _table(self, columns: Sequence[Column]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
        for place, (head, _) in enumerate(columns):
            table.add_column(
                Text(head),
                justify="right" if place else "left",
                overflow="fold",
                vertical="bottom",
                max_width=WIDEST_COLUMN if place else WIDEST_FIRST,
            )
        for place, row in enumerate(zip(*(texts for _, texts in columns), strict=True)):
            table.add_row(*row, end_section=place in self.breaks)
        return table


def report(summary: Summary, measure: Measure = "micro") -> RenderableType:
    """What was found in words, all methods on all parts, and more about each method on all parts together."""
    lines = [Text(sentence) for sentence in sentences(summary, measure)]
    head = Text(f"{MEASURES[measure]}, in %, after the difference from the full picture", style="dim")
    foot = Text(f"All parts together; 95 % intervals of {summary.resamples:,} resamples", style="dim")
    return Group(*lines, Text(), head, Text(), table(summary, measure), Text(), foot, Text(), details(summary))


def table(summary: Summary, measure: Measure = "micro") -> Wide:
    """Methods against parts in the form of L2R2's Tables 1 and 5: accuracy in % after its difference from the full
    picture's, the best of a part bold."""
    found = comparison(summary, measure)
    names = [Text(row.method) for row in found.rows]
    dim = [Text("pictures", style="dim"), Text("only full, %", style="dim")]
    columns: list[Column] = [("", [*names, *dim])]
    for place, head in enumerate(found.heads):
        below = [Text(found.counts[place], style="dim"), Text(found.fallbacks[place], style="dim")]
        columns.append((head, [*(_written(row.cells[place]) for row in found.rows), *below]))
    kinds = [row.kind for row in found.rows]
    ends = [place for place, kind in enumerate(kinds) if kinds[place + 1 : place + 2] != [kind]]
    return Wide(columns, frozenset(ends))


def _written(cell: Cell) -> Text:
    colour = {1: "green", 0: "dim", -1: "red"}[cell.sign]
    return Text.assemble((cell.delta, colour), " " if cell.delta else "", (cell.share, "bold" if cell.best else ""))


def details(summary: Summary) -> Wide:
    """Of each method on all parts together: intervals, macro accuracy, calibration, backgrounds and abstention, as far
    as they were measured."""
    scores = summary.together.scores
    columns: list[Column] = [
        ("", [Text(score.method) for score in scores]),
        ("accuracy, %", [_with_interval(score, "micro") for score in scores]),
        ("macro, %", [_with_interval(score, "macro") for score in scores]),
        ("against full", [Text("-", "dim"), *(_delta(score) for score in scores[1:])]),
        ("calibration error", [Text(percent(score.ece)) for score in scores]),
    ]
    by_confidence = [row for row in summary.selective if row.method in summary.methods]
    optional = (
        ("background gap", [points(row.gap) for row in summary.backgrounds]),
        ("fooled objects, %", [percent(row.adversarial) for row in summary.backgrounds]),
        ("none answered, %", [percent(row.none_answered) for row in by_confidence]),
    )
    columns += [(head, [Text(text) for text in texts]) for head, texts in optional if set(texts) != {UNKNOWN}]
    return Wide(columns)


def _with_interval(score: Score, measure: Measure) -> Text:
    found = score.of(measure)
    return Text.assemble(
        (percent(found.share), "bold" if found.best else ""),
        (f" ({percent(found.low)} to {percent(found.high)})", "dim"),
    )


def _delta(score: Score) -> Text:
    found = score.micro
    return Text.assemble(points(found.delta), (f" ({points(found.delta_low)} to {points(found.delta_high)})", "dim"))


def markdown(summary: Summary, measure: Measure = "micro") -> str:
    """The table of `table` as Markdown, differences behind the accuracies, the best of a part bold."""
    return "\n".join(_lines(summary, measure))


def _lines(summary: Summary, measure: Measure) -> Iterator[str]:
    found = comparison(summary, measure)
    yield _line("", *map(_plain, found.heads))
    yield "|---|" + "---:|" * len(found.heads)
    for row in found.rows:
        yield _line(_plain(row.method), *(_marked(cell) for cell in row.cells))
    yield _line("pictures", *found.counts)
    yield _line("only full, %", *found.fallbacks)


def _marked(cell: Cell) -> str:
    share = f"**{cell.share}**" if cell.best else cell.share
    return f"{share} ({cell.delta})" if cell.delta else share


def _line(*texts: str) -> str:
    return "| " + " | ".join(texts) + " |"


def _plain(name: str) -> str:
    """A part's name as it is, though it has Markdown's signs."""
    return re.sub(r"([\\`*<>\[\]|])", r"\\\1", " ".join(name.split()))
