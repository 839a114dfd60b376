"""Drawings as SVG to stand in a page: the page's colours and fonts, no file beside them, the same bytes every time."""

import html
import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from service.errors import PackageMissing
from service.evaluation.metrics import Ints
from service.evaluation.report.figures import Measure, Score
from service.evaluation.report.words import percent
from service.recognition.reliability import Reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Drawn in colours that stand for the page's own, light or dark
COLOURS: Mapping[str, str] = {
    name: f"#{place:02x}{place:02x}fe"
    for place, name in enumerate(("ink", "muted", "line", "full", "branch", "fusion", "oracle", "accent", "paper"), 1)
}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 10.0,
    "axes.linewidth": 0.8,
}
Parameters = ParamSpec("Parameters")
FONT = "ui-sans-serif, system-ui, sans-serif"
FEW_ANSWERS = 10
ROW_PX, CELL_PX = 21, 24
LABEL_PX = 162
LONGEST_LABEL = 26  # characters


def check_matplotlib() -> None:
    """Raises PackageMissing where drawings cannot be made."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        raise PackageMissing("drawings are made by matplotlib: pip install '.[evaluate]'") from None


def _styled(draw: Callable[Parameters, str]) -> Callable[Parameters, str]:
    """Draws in STYLE, whatever style matplotlib was given elsewhere."""

    @wraps(draw)
    def styled(*args: Parameters.args, **kwargs: Parameters.kwargs) -> str:
        check_matplotlib()
        import matplotlib

        with matplotlib.rc_context(), warnings.catch_warnings():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(STYLE)
            warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's fonts write it
            return draw(*args, **kwargs)

    return styled


@_styled
def bars(scores: Sequence[Score], measure: Measure, default: str, about: str) -> str:
    """A bar for each method with its interval, a line at the full picture's height; `default` is in bold."""
    height = ROW_PX * len(scores) + 26
    figure = _figure(LABEL_PX + 210, height)
    axes = _axes(figure, LABEL_PX, 24, 168, ROW_PX * len(scores))
    for place, score in enumerate(scores):
        found = score.of(measure)
        colour = COLOURS["full" if place == 0 else score.kind]
        axes.barh(place, 100 * found.share, 0.62, color=colour)
        axes.plot([100 * found.low, 100 * found.high], [place, place], color=COLOURS["ink"], linewidth=1.2)
        weight = "bold" if score.method == default else "normal"
        axes.text(-3, place, _short(score.method), ha="right", va="center", color=COLOURS["ink"], weight=weight)
        best = "bold" if found.best else "normal"
        axes.text(124, place, percent(found.share), ha="right", va="center", color=COLOURS["ink"], weight=best)
    axes.axvline(100 * scores[0].of(measure).share, color=COLOURS["full"], linewidth=0.8, linestyle=(0, (3, 2)))
    axes.set(xlim=(0, 100), ylim=(len(scores) - 0.5, -0.5), xticks=[0, 25, 50, 75, 100], yticks=[])
    return _svg(figure, about)


@_styled
def reliability_diagram(found: Reliability, about: str) -> str:
    """Accuracy against confidence, bin by bin, paler where it is of few answers; below, how many answers there are."""
    figure = _figure(250, 276)
    axes, below = _axes(figure, 34, 66, 200, 200), _axes(figure, 34, 28, 200, 30)
    edges = np.arange(len(found.counts)) / len(found.counts)
    width, filled = 1 / len(found.counts), found.counts > 0
    sure = filled & (found.counts >= FEW_ANSWERS)
    axes.bar(edges[filled], found.accuracy[filled], width * 0.92, align="edge", color=COLOURS["accent"], alpha=0.4)
    axes.bar(edges[sure], found.accuracy[sure], width * 0.92, align="edge", color=COLOURS["accent"])
    axes.plot([0, 1], [0, 1], color=COLOURS["ink"], linewidth=0.9, linestyle=(0, (3, 2)))
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xticks=[], yticks=[0, 0.5, 1], yticklabels=["0", "50", "100"])
    below.bar(edges, found.counts / max(1, found.counts.max()), width * 0.92, align="edge", color=COLOURS["muted"])
    below.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], xticklabels=["0", "50", "100"], yticks=[])
    figure.text(134 / 250, 2 / 276, "confidence, %", ha="center", va="bottom", color=COLOURS["muted"])
    return _svg(figure, about)


@_styled
def confusion_matrix(names: Sequence[str], counts: Ints, about: str) -> str:
    """Truth (rows) against answers (columns), shaded by the share of the row, with the counts `[K, K]`."""
    from matplotlib.patches import Rectangle

    side = CELL_PX * len(names)
    figure = _figure(LABEL_PX + side + 8, LABEL_PX + side + 8)
    axes = _axes(figure, LABEL_PX, LABEL_PX, side, side)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for row, column in np.argwhere(counts):
        share = float(shares[row, column])
        colour = COLOURS["accent"] if row == column else COLOURS["fusion"]
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color=colour, alpha=0.15 + 0.85 * share, linewidth=0))
        ink = COLOURS["paper"] if share > 0.55 else COLOURS["ink"]
        axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=ink, size=8.5)
    for place, name in enumerate(names):
        axes.axhline(place + 0.5, color=COLOURS["line"], linewidth=0.5, zorder=0)
        axes.text(-0.8, place, _short(name), ha="right", va="center", color=COLOURS["ink"])
        axes.text(place, len(names) - 0.2, _short(name), ha="center", va="top", rotation=90, color=COLOURS["ink"])
    axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(names) - 0.5, -0.5), xticks=[], yticks=[])
    return _svg(figure, about)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_LABEL else name[: LONGEST_LABEL - 1] + "…"


def _figure(width_px: float, height_px: float) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_px / 72, height_px / 72), dpi=72)
    figure.patch.set_visible(False)
    return figure


def _axes(figure: "Figure", left: float, bottom: float, width: float, height: float) -> "Axes":
    """Axes at a place in pixels, with nothing around them but a line below."""
    whole_width, whole_height = 72 * figure.get_size_inches()
    axes = figure.add_axes((left / whole_width, bottom / whole_height, width / whole_width, height / whole_height))
    axes.patch.set_visible(False)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(COLOURS["line"])
    axes.tick_params(colors=COLOURS["muted"], length=3, width=0.8)
    return axes


def _svg(figure: "Figure", about: str) -> str:
    """The drawing as an element of a page; `about` says to who cannot see it what it shows."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": about}):
        figure.savefig(buffer, format="svg", metadata={"Creator": None, "Date": None, "Format": None, "Type": None})
    text = re.sub(r"^.*?(?=<svg )|<(metadata|style).*?</\1>|<!--.*?-->", "", buffer.getvalue(), flags=re.DOTALL)
    [(width, height)] = re.findall(r'viewBox="0 0 (\S+) (\S+)"', text)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    body = text[text.index(">") + 1 :].replace("\n", " ")
    return f'<svg {size} role="img" aria-label="{html.escape(about)}">' + re.sub("<[^>]*>", _of_page, body).strip()


def _of_page(tag: re.Match[str]) -> str:
    text = re.sub(r'^<g id="[^"]*"', "<g", tag[0].replace("xlink:href", "href"))
    text = re.sub(r"'DejaVu Sans'[^;\"]*", FONT, text)
    for name, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{name})")
    return text
