"""Memory, files and threads stay what they are under a mix of good, bad and cancelled requests."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from altered import variants  # type: ignore[import-not-found]
from running import running  # type: ignore[import-not-found]
from soak import Soak  # type: ignore[import-not-found]

CLASSES = ["cat", "dog", "cup of coffee", "rocket", "astronaut", "horse", "tree", "house"]
MOST_GROWTH = 1.02


def bad_requests(photograph: bytes) -> list[tuple[dict[str, str], bytes, int]]:
    png_bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\x86\xa0\0\1\x86\xa0\x08\2\0\0\0"
    return [
        ({}, b"", 422),
        ({}, b"%PDF-1.7 this is no picture", 415),
        ({}, photograph[: len(photograph) // 2], 422),
        ({}, png_bomb, 422),
        ({"dataset": "unknown"}, photograph, 404),
        ({"fusion": "best"}, photograph, 422),
        ({"top_k": "many"}, photograph, 422),
    ]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("seconds", "settled"), [(60, 20), (1800, 120)], ids=["a minute", "half an hour"])
def test_soaked(
    tmp_path: Path,
    models_cache: Path,
    photographs: dict[str, bytes],
    record_property: Callable[[str, object], None],
    seconds: int,
    settled: int,
) -> None:
    good = {name: data for _, name, data in variants(photographs, 3)}
    place = {"data_dir": str(tmp_path / "data"), "models_cache": str(models_cache), "offline": "1", "threads": "2"}
    with running(tmp_path / "log", **place) as service:
        content = {"name": "things", "classes": CLASSES}
        assert httpx.post(f"{service.url}/datasets", json=content).status_code == 201
        soak = Soak(service, "things", good, bad_requests(photographs["rocket"]))
        findings = soak.run(seconds)
        assert service.stop() == 0
    growth = findings.growth(settled)
    files, threads = findings.spread("files", settled), findings.spread("threads", settled)
    record_property("answers", dict(sorted(findings.statuses.items())))
    record_property("cancelled", findings.cancelled)
    record_property("wrong", len(findings.wrong))
    record_property("memory at the end / settled", round(growth, 4))
    record_property("files, threads", f"{files[0]} to {files[1]}, {threads[0]} to {threads[1]}")
    assert not findings.wrong, findings.wrong[:5]
    assert set(findings.statuses) <= {200, 404, 415, 422}, findings.statuses
    assert growth <= MOST_GROWTH
    assert threads[0] == threads[1]
    assert files[1] - files[0] <= 12  # open connections: of the callers at that moment
