import io
from typing import Any

import pytest
from fake_meter import FakeMeter, said  # type: ignore[import-not-found]
from made_run import made_run  # type: ignore[import-not-found]
from rich.console import Console

from service.bench.bars import bars
from service.bench.decoding_part import TURNS, measure_decoding
from service.bench.tables import report


def run(slower: float) -> tuple[dict[str, Any], list[Any]]:
    """Where decoding in processes makes each answer take so many times as long."""
    started: list[Any] = []

    def start(settings: Any) -> FakeMeter:
        started.append((settings, FakeMeter(seconds=slower if settings["decoders"] == "processes" else 1.0)))
        return started[-1][1]

    return measure_decoding(start, 8.0, said), started


@pytest.mark.parametrize(("slower", "kept"), [(1.0, True), (1.04, True), (1.07, False)])
def test_a_twentieth_of_the_throughput_is_the_bar(slower: float, kept: bool) -> None:
    found, started = run(slower)
    assert [settings["decoders"] for settings, _ in started] == ["processes", "threads"]
    assert all(len(meter.loads) == 1 + TURNS for _, meter in started)
    [bar] = bars({"decoding": found})
    assert bar.value == pytest.approx(1 / slower)
    assert bar.kept == kept


def test_the_report_shows_both() -> None:
    console = Console(file=io.StringIO(), width=160)
    console.print(
        report({**{name: made_run()[name] for name in ("machine", "models", "noise")}, "decoding": run(2.0)[0]})
    )
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "processes" in text
    assert "missed" in text
