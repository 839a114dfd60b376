"""Who is told of a download."""

import io
import logging
from pathlib import Path

import pytest
from fake_hub import REPO, FakeHub
from rich.console import Console
from rich.progress import Progress

from service.models.catalog import Model
from service.models.weights import BarProgress, WeightsStore


def test_bars_end_full(cache: Path, hub: FakeHub, hub_model: Model, wheel_model: Model) -> None:
    hub.publish(REPO, {"config.json": b"{}", "model.safetensors": b"0" * 3_000_000})
    hub.cut_at["model.safetensors"] = 2_000_000
    hub.no_ranges = True  # what came is counted back
    with Progress(console=Console(file=io.StringIO())) as bars:
        store = WeightsStore(cache, offline=False, hub_endpoint=hub.url, progress=BarProgress(bars))
        store.folder(hub_model)
        store.folder(wheel_model)
    assert {task.description: (task.completed, task.total) for task in bars.tasks} == {
        f"{REPO}/config.json": (2, 2),
        f"{REPO}/model.safetensors": (3_000_000, 3_000_000),
        "seeds==1.0": (5002, 5002),
        "roots==1.0": (300, 300),
    }


def test_a_service_logs_each_file_twice(
    cache: Path, hub: FakeHub, hub_model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    hub.publish(REPO, {"model.safetensors": b"0" * 3_000_000})
    with caplog.at_level(logging.INFO, "service"):
        WeightsStore(cache, offline=False, hub_endpoint=hub.url).folder(hub_model)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("service")]
    assert lines == [f"downloading {REPO}/model.safetensors (3.0 MB)", f"downloaded {REPO}/model.safetensors"]
