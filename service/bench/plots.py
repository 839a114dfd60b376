"""`bench.png`: throughput and waits against concurrency, and the cost curves."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Found = Mapping[str, Any]
# Part and its column
CURVES = (("classes", "classes"), ("sizes", "megapixels"), ("datasets", "datasets"))
SIZE_IN = (4.6, 3.6)


def drawn_png(found: Found) -> bytes | None:
    """The picture of what was measured; None where no part of it can be drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = panels_of(found)
    if not panels:
        return None
    figure = Figure(figsize=(SIZE_IN[0] * len(panels), SIZE_IN[1]), layout="constrained")
    FigureCanvasAgg(figure)
    for place, draw in enumerate(panels, 1):
        draw(figure.add_subplot(1, len(panels), place))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def panels_of(found: Found) -> list[Callable[["Axes"], None]]:
    """One drawing for each measured part."""
    panels: list[Callable[[Axes], None]] = []
    closed = found.get("http", {}).get("closed", ())
    if closed:
        panels.append(lambda axes: _throughput(axes, closed))
    answered = _answered(closed)
    if answered:
        panels.append(lambda axes: _waits(axes, answered))
    for part, column in CURVES:
        rows = _answered(found.get(part, {}).get("rows", ()))
        if rows:
            panels.append(_curve(rows, column))
    return panels


def _answered(rows: Sequence[Found]) -> Sequence[Found]:
    return [row for row in rows if row["p50_ms"] is not None]


def _throughput(axes: "Axes", rows: Sequence[Found]) -> None:
    callers = [row["concurrency"] for row in rows]
    axes.plot(callers, [row["per_s"] for row in rows], "o-", label="over HTTP")
    limits = [row["limit_per_s"] for row in rows]
    if None not in limits:
        axes.plot(callers, limits, "k--", label="models alone")
    _frame(axes, "concurrency", "pictures/s")
    axes.set_ylim(bottom=0)
    axes.legend()


def _waits(axes: "Axes", rows: Sequence[Found]) -> None:
    callers = [row["concurrency"] for row in rows]
    for name in ("p50", "p99"):
        axes.plot(callers, [row[f"{name}_ms"] for row in rows], "o-", label=name)
    _frame(axes, "concurrency", "ms")
    axes.set_yscale("log")
    axes.legend()


def _curve(rows: Sequence[Found], column: str) -> Callable[["Axes"], None]:
    def draw(axes: "Axes") -> None:
        for name in ("p50", "p99"):
            axes.plot([row[column] for row in rows], [row[f"{name}_ms"] for row in rows], "o-", label=name)
        _frame(axes, column, "ms, one caller")
        axes.set_ylim(bottom=0)
        axes.legend()

    return draw


def _frame(axes: "Axes", x: str, y: str) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
