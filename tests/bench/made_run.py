"""A run's document as a measurement gives it, with figures chosen by hand."""

from typing import Any


def load(**changed: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "requests": 10,
        "per_s": 5.0,
        "p50_ms": 200.0,
        "p95_ms": 300.0,
        "p99_ms": 360.0,
        "seconds": 2.0,
        "latencies_ms": [200.0],
        "statuses": {"200": 12},
        "unexpected": 0,
        "all_seconds": 3.0,
        "client_cpu_s": 0.03,
        "concurrency": 1,
        "rate_per_s": None,
        "batch_sizes": {"localizer": 1.5, "encoder": 1.0},
        "server_cpu_s": 4.8,
        "server_rss_mb": 900.0,
        "server_peak_rss_mb": 950.0,
        "foreign_cpu": 0.0,
        "limit_per_s": 5.0,
    }
    assert not changed.keys() - usual.keys()
    row = {**usual, **changed}
    return {**row, "errors": sum(count for status, count in row["statuses"].items() if status != "200")}


def limit(batch: int, **changed: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "batch": batch,
        "views": 3,
        "localizer_ms": 60.0,
        "encoder_ms": 100.0,
        "localizer_per_s": 16.0,
        "encoder_per_s": 10.0,
        "serial_per_s": 6.25,
        "slower_per_s": 10.0,
        "overlapped_per_s": 6.5,
        "lanes_per_s": 6.6,
    }
    return {**usual, **changed}


def made_run() -> dict[str, Any]:
    """Every part, on the CPU."""
    pair = {"concurrency": 8, "own": load(per_s=6.0), "peer": load(per_s=3.0)}
    return {
        "machine": {"usable_processors": 2, "cpu": "a processor", "gpu": None},
        "models": {"localizer": {"name": "u2netp"}, "encoder": {"name": "embedded"}, "device": "cpu"},
        "noise": {"warnings": ["somebody else is busy"]},
        "limit": {
            "hardware": "cpu, float32, 2 threads",
            "rows": [limit(1), limit(8)],
            "alone_ms": {"decode": 8.0, "prepare_localizer": 3.0, "prepare_views": 6.0},
            "single": limit(1),
        },
        "http": {
            "closed": [
                load(p50_ms=176.4, concurrency=1),
                load(per_s=6.0, limit_per_s=6.25, p50_ms=1000.0, p99_ms=1900.0, concurrency=8),
                load(per_s=6.1, concurrency=64, statuses={"200": 90, "503": 10}),
            ],
            "open": [load(concurrency=None, rate_per_s=3.0)],
            "singles": [limit(1), limit(1, localizer_ms=64.0)],
        },
        "classes": {
            "rows": [
                {"classes": 10, "registered_s": 0.1, **load(p50_ms=200.0)},
                {"classes": 100_000, "registered_s": 90.0, **load(p50_ms=230.0)},
            ]
        },
        "sizes": {
            "rows": [
                {"megapixels": 0.3, "bytes": 9, "resting_mb": 900.0, "above_resting_mb": 5.0, **load()},
                {"megapixels": 100, "bytes": 9, "resting_mb": 900.0, "above_resting_mb": 390.0, **load(p50_ms=1400.0)},
            ]
        },
        "datasets": {"rows": [{"datasets": 1, "one_p50_ms": 200.0, **load()}]},
        "peers": {
            "missing": ["litserve: …"],
            "plain": {"rows": [pair]},
            "plain_models_ms": {"plain_ms": 200.0, "own_ms": 100.0, "plain_encoder_ms": 70.0, "own_encoder_ms": 50.0},
        },
        "infinity": {"rows": [{**pair, "own": load(per_s=2.7)}]},
        "memory": {
            "few": 500,
            "requests": 5000,
            "made": 5004,
            "errors": 0,
            "unexpected": 0,
            "resting_mb": 800.0,
            "after_few_mb": 1000.0,
            "after_all_mb": 1010.0,
        },
        "registering": {
            "classes": 100_000,
            "rows": [
                {"concurrency": 1, "before": load(p50_ms=200.0), "during": load(p50_ms=250.0)},
                {"concurrency": 8, "before": load(), "during": load()},
            ],
        },
    }
