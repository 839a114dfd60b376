"""One short run of the real command against the real service."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.main import app


@pytest.mark.slow
def test_a_run_measures_the_models_the_service_and_what_they_cost(
    tmp_path: Path, models_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"MODELS_CACHE": str(models_cache), "OFFLINE": "1", "THREADS": "1", "PROFILE": "embedded"}
    for name, value in settings.items():
        monkeypatch.setenv(f"L2R2_{name}", value)
    points = "--only limit,http,sizes --seconds 0.2 --turns 2 --concurrency 1,2 --rates 0.5 --batches 1"
    options = [*points.split(), "--megapixels", "0.1", "--branches", "full,fg", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, ["bench", *options])
    assert result.exit_code == 0, result.output
    assert "2 callers" in result.output
    found = json.loads((tmp_path / "out" / "bench.json").read_text(encoding="utf-8"))
    assert (tmp_path / "out" / "bench.png").stat().st_size > 10_000
    assert [row["views"] for row in found["limit"]["rows"]] == [2]
    closed, opened = found["http"]["closed"], found["http"]["open"]
    for row in [*closed, *opened, *found["sizes"]["rows"]]:
        assert row["statuses"].keys() == {"200"}
        assert row["unexpected"] == 0  # a box was found in every picture, so that all the work was done
        assert row["batch_sizes"].keys() >= {"localizer", "encoder"}
        assert row["server_cpu_s"] > 0
        assert row["server_peak_rss_mb"] >= row["server_rss_mb"] * 0.99 > 100
    assert closed[0]["batch_sizes"]["encoder"] == 1
    assert closed[0]["limit_per_s"] > 0
    assert len(found["http"]["singles"]) == 4  # before and after each of two turns
    assert found["machine"]["settings"]["threads"] == 1
    assert {bar["name"] for bar in found["bars"]} == {"p50 at concurrency 1 / (decode + models at batch 1)"}
