"""A run's figures in the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from service.bench.bars import bars

Row = Mapping[str, Any]
ERRORS = ("our errors", "their errors")
BAR = "ratio within this run"  # names that may take two lines


def report(found: Row) -> Group:
    """All tables that the measured parts fill."""
    parts: list[Table | Text] = [_title(found)]
    if "limit" in found:
        parts += [_limits(found["limit"]), _alone(found["limit"])]
    if "http" in found:
        rows = [*found["http"]["closed"], *found["http"]["open"]]
        parts += _loads("Over HTTP", rows, "load", [_load_name(row) for row in rows])
    for name, column in (("classes", "classes"), ("sizes", "megapixels"), ("datasets", "datasets")):
        if name in found:
            rows = found[name]["rows"]
            parts += _loads(f"Cost against {name}", rows, column, [f"{row[column]:,}" for row in rows])
    if "peers" in found:
        parts.append(_peers(found["peers"]))
        parts += [Text(f"not measured: {reason}", style="yellow") for reason in found["peers"]["missing"]]
    if "infinity" in found:
        parts.append(_peers({"infinity": found["infinity"]}))
    if "observing" in found:
        parts.append(_observing(found["observing"]))
    if "decoding" in found:
        parts.append(_decoding(found["decoding"]))
    parts.append(_bars(found))
    parts += [Text(f"noise: {warning}", style="yellow") for warning in found["noise"]["warnings"]]
    return Group(*parts)


def _title(found: Row) -> Text:
    machine, models = found["machine"], found["models"]
    names = f"{models['localizer']['name']} + {models['encoder']['name']}"
    processors = f"{machine['usable_processors']} processors, {machine['cpu']}"
    return Text(f"{names} on {models['device']} ({machine['gpu'] or processors})")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=place > 0 or column != BAR)
    return table


def _limits(limit: Row) -> Table:
    views = limit["rows"][0]["views"]
    title = f"Model-only limit: localizer and {views} views, pictures/s"
    table = _table(title, "batch", "localizer", "encoder", "in series", "slower one", "side by side", "in lanes")
    names = ("localizer_per_s", "encoder_per_s", "serial_per_s", "slower_per_s", "overlapped_per_s", "lanes_per_s")
    for row in limit["rows"]:
        table.add_row(str(row["batch"]), *(_number(row[name]) for name in names))
    return table


def _alone(limit: Row) -> Table:
    table = _table(
        "One picture alone, ms", "decode", "prepare for the localizer", "prepare views", "localizer", "encoder"
    )
    alone, single = limit["alone_ms"], limit["single"]
    steps = (alone["decode"], alone["prepare_localizer"], alone["prepare_views"])
    table.add_row(*(_number(value) for value in (*steps, single["localizer_ms"], single["encoder_ms"])))
    return table


def _load_name(row: Row) -> str:
    return f"{row['concurrency']} callers" if row["concurrency"] else f"{row['rate_per_s']:.3g} come/s"


def _loads(title: str, rows: Sequence[Row], first: str, names: Sequence[str]) -> list[Table]:
    """What callers see, and what it takes."""
    seen = _table(title, first, "per s", "/ limit", "p50 ms", "p95 ms", "p99 ms", "errors")
    taken = _table("", first, "mean batches", "CPU s each", "peak MB", "load generator", "other programs")
    for row, name in zip(rows, names, strict=True):
        limit, answered, cpu_s = row["limit_per_s"], sum(row["statuses"].values()), row["server_cpu_s"]
        waits = (_number(row[f"p{percent}_ms"]) for percent in (50, 95, 99))
        seen.add_row(name, _number(row["per_s"]), f"{row['per_s'] / limit:.2f}" if limit else "", *waits, _errors(row))
        taken.add_row(
            name,
            ", ".join(f"{value:.1f}" for value in row["batch_sizes"].values()),
            _number(cpu_s / answered if cpu_s is not None and answered else None),
            _number(row["server_peak_rss_mb"] or row["server_rss_mb"]),
            f"{row['client_cpu_s'] / row['all_seconds']:.1%}",
            _number(row["foreign_cpu"]),
        )
    return [seen, taken]


def _errors(row: Row) -> str:
    bad = [f"{status}: {count}" for status, count in row["statuses"].items() if status != "200"]
    return ", ".join([*bad, *([f"unexpected: {row['unexpected']}"] if row["unexpected"] else [])])


def _peers(peers: Row) -> Table:
    table = _table(
        "Beside peers", "peer", "callers", "ours/s", "theirs/s", "ratio", "our p50 ms", "their p50 ms", *ERRORS
    )
    for name, part in peers.items():
        for row in part["rows"] if isinstance(part, dict) and "rows" in part else ():
            own, peer = row["own"], row["peer"]
            ratio = own["per_s"] / peer["per_s"] if peer["per_s"] else None
            rates = (own["per_s"], peer["per_s"], ratio, own["p50_ms"], peer["p50_ms"])
            table.add_row(name, str(row["concurrency"]), *map(_number, rates), _errors(own), _errors(peer))
    return table


def _observing(part: Row) -> Table:
    names = ("CPU ms each, with", "without", "ratio", "added us", "per s, with", "without", *ERRORS)
    table = _table("Metrics and logs", "pictures", *names)
    for pictures, row in part["rows"].items():
        off_ms = row["off_cpu_us"] / 1000
        figures = (off_ms * row["cpu_ratio"], off_ms, row["cpu_ratio"], row["added_us"])
        rates = (row["on"]["per_s"], row["off"]["per_s"])
        table.add_row(pictures, *map(_number, (*figures, *rates)), _errors(row["on"]), _errors(row["off"]))
    table.add_row("reading /metrics, ms", _number(part["scrape_ms"]))
    return table


def _decoding(part: Row) -> Table:
    table = _table("Pictures decoded", "in", "per s", "p50 ms", "errors")
    for title, row in (("processes", part["on"]), ("threads", part["off"])):
        table.add_row(title, _number(row["per_s"]), _number(row["p50_ms"]), _errors(row))
    return table


def _bars(found: Row) -> Table:
    table = _table("Bars", BAR, "measured", "bound", "")
    for bar in bars(found):
        sign = "≥" if bar.side == "at_least" else "≤"
        colour = "green" if bar.kept else "red"
        table.add_row(bar.name, _number(bar.value), f"{sign} {bar.bound:g}", f"[{colour}]{bar.verdict}[/{colour}]")
    return table


def _number(value: float | None) -> str:
    """Three figures, or all before the point."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
