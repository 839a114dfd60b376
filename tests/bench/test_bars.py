import io
from typing import Any

import pytest
from made_run import load, made_run  # type: ignore[import-not-found]
from PIL import Image
from rich.console import Console

from service.bench.bars import bars
from service.bench.plots import drawn_png, panels_of
from service.bench.tables import report


def test_the_bars_are_ratios_of_what_was_measured_in_the_run() -> None:
    found = {bar.name: (bar.value, bar.kept) for bar in bars(made_run())}
    assert found == {
        "throughput at concurrency 8 / the model-only limit": (pytest.approx(0.96), True),
        # 176.4 / (8 + the mean of 160 and 164)
        "p50 at concurrency 1 / (decode + models at batch 1)": (pytest.approx(176.4 / 170), True),
        "p99 / p50 at concurrency 8": (pytest.approx(1.9), True),
        "throughput at concurrency 8 / plain": (pytest.approx(2.0), True),
        "throughput at concurrency 8 / infinity": (pytest.approx(0.9), False),
        "model time / plain onnxruntime": (pytest.approx(0.5), True),
        "p50 with 100,000 classes / with 10": (pytest.approx(1.15), False),
        "seconds for a JPEG of 100 megapixels": (pytest.approx(1.4), True),
        "MB above rest for a JPEG of 100 megapixels": (pytest.approx(390.0), True),
        "memory after 5000 requests / after 500": (pytest.approx(1.01), True),
        "p50 at concurrency 1 while 100000 classes are registered / before": (pytest.approx(1.25), True),
        "p50 at concurrency 8 while 100000 classes are registered / before": (1.0, True),
    }


def test_a_gpu_has_bars_of_its_own() -> None:
    run = made_run()
    run["limit"]["hardware"] = "cuda, bfloat16, 16 threads"
    run["http"]["closed"][2] = load(per_s=90.0, limit_per_s=100.0, concurrency=64)
    found = {bar.name: (bar.value, bar.bound, bar.kept) for bar in bars(run)}
    name = "throughput at concurrency 64 / the slower stage's limit"
    assert found[name] == (pytest.approx(0.9), 0.85, True)
    assert found["throughput at concurrency 8 / plain"] == (pytest.approx(2.0), 5.0, False)
    assert found["encoder's speed / eager open_clip"] == (pytest.approx(1.4), 1.3, True)


@pytest.mark.parametrize(
    "bad", [{"statuses": {"200": 90, "503": 10}}, {"unexpected": 1}, {"unexpected": 9, "p50_ms": None, "p99_ms": None}]
)
def test_a_bar_with_errors_or_fallbacks_behind_it_is_missed_whatever_its_value(bad: dict[str, Any]) -> None:
    run = made_run()
    run["http"]["closed"] = [load(**row, **bad) for row in ({"concurrency": 1}, {"concurrency": 8, "per_s": 7.0})]
    run["peers"]["plain"]["rows"][0]["peer"] |= load(per_s=0.1, **bad)
    run["classes"]["rows"][1] |= load(**bad)
    run["sizes"]["rows"][1] |= load(**bad)
    run["memory"]["made"] = 300
    for row in run["registering"]["rows"]:
        row["during"] = load(**bad)
    assert {bar.verdict for bar in bars(run) if "infinity" not in bar.name and "onnx" not in bar.name} == {
        "missed: errors"
    }
    assert len(bars(run)) == len(bars(made_run()))
    assert not any(bar.kept for bar in bars(run) if bar.failed)
    console = Console(file=io.StringIO(), width=160)
    console.print(report(run))
    assert "missed: errors" in console.file.getvalue()  # type: ignore[attr-defined]
    assert drawn_png(run) is not None


def test_what_was_not_measured_has_no_bar() -> None:
    run = made_run()
    assert bars({name: run[name] for name in ("machine", "models", "noise")}) == []
    assert [bar.name for bar in bars({"http": {"closed": run["http"]["closed"][1:2]}})] == [
        "throughput at concurrency 8 / the model-only limit",
        "p99 / p50 at concurrency 8",
    ]
    run["http"]["closed"][1]["limit_per_s"] = None
    assert "throughput at concurrency 8 / the model-only limit" not in {bar.name for bar in bars(run)}


def test_the_report_shows_every_part_the_errors_and_the_noise() -> None:
    console = Console(file=io.StringIO(), width=160)
    console.print(report(made_run()))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for shown in ("Model-only limit", "8 callers", "3 come/s", "503: 10", "100,000", "infinity", "missed",
                  "somebody else is busy", "a processor"):  # fmt: skip
        assert shown in text


def test_the_report_of_a_part_needs_no_other() -> None:
    run = made_run()
    for part in ("limit", "http", "classes", "sizes", "datasets", "peers", "infinity", "memory", "registering"):
        kept = {name: run[name] for name in ("machine", "models", "noise", part)}
        Console(file=io.StringIO()).print(report(kept))


def test_the_drawing_has_a_panel_for_throughput_waits_and_each_cost() -> None:
    run = made_run()
    assert len(panels_of(run)) == 5
    data = drawn_png(run)
    assert data is not None
    assert Image.open(io.BytesIO(data)).size[0] > 2000
    assert drawn_png({"memory": run["memory"]}) is None
