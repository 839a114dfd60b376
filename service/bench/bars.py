"""What the service promises, as ratios within one run, and whether they were kept."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Found = Mapping[str, Any]


@dataclass(frozen=True)
class Bar:
    """A measured value (None where nothing came of it) against its bound; `at_least` or at most. failed: some request
    behind it was not answered as hoped for, so that the value stands for less work than it seems."""

    name: str
    value: float | None
    bound: float
    side: Literal["at_least", "at_most"]
    failed: bool = False

    @property
    def kept(self) -> bool:
        if self.failed or self.value is None:
            return False
        return self.value >= self.bound if self.side == "at_least" else self.value <= self.bound

    @property
    def verdict(self) -> str:
        return "missed: errors" if self.failed else "kept" if self.kept else "missed"


def bars(found: Found) -> list[Bar]:
    """Those whose parts were measured, in a fixed order."""
    makers: Sequence[Callable[[Found], Iterator[Bar]]] = (
        _http,
        _peers,
        _classes,
        _sizes,
        _memory,
        _registering,
        _observing,
        _decoding,
    )
    return [bar for maker in makers for bar in maker(found) if bar.failed or bar.value is not None]


def on_gpu(found: Found) -> bool:
    return str(found.get("limit", {}).get("hardware", "")).startswith("cuda")


def at(rows: Sequence[Mapping[str, Any]], name: str, value: float) -> Mapping[str, Any] | None:
    """The row whose `name` is `value`."""
    return next((row for row in rows if row[name] == value), None)


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def _failed(*rows: Mapping[str, Any]) -> bool:
    return any(row["errors"] or row["unexpected"] for row in rows)


def _http(found: Found) -> Iterator[Bar]:
    rows = found.get("http", {}).get("closed", ())
    one, eight, most = (at(rows, "concurrency", callers) for callers in (1, 8, 64))
    gpu = on_gpu(found)
    busy = (most or eight) if gpu else eight
    if busy:
        name = "the slower stage's limit" if gpu else "the model-only limit"
        title = f"throughput at concurrency {busy['concurrency']} / {name}"
        ratio = _ratio(busy["per_s"], busy["limit_per_s"])
        yield Bar(title, ratio, 0.85 if gpu else 0.95, "at_least", _failed(busy))
    if one and "limit" in found and found["http"]["singles"]:
        ratio = _ratio(one["p50_ms"], found["limit"]["alone_ms"]["decode"] + _single_ms(found))
        yield Bar("p50 at concurrency 1 / (decode + models at batch 1)", ratio, 1.10, "at_most", _failed(one))
    if eight:
        ratio = _ratio(eight["p99_ms"], eight["p50_ms"])
        yield Bar("p99 / p50 at concurrency 8", ratio, 2.0, "at_most", _failed(eight))


def _single_ms(found: Found) -> float:
    """Both models on one picture: the mean of the medians read before and after the lone caller."""
    readings = found["http"]["singles"]
    return float(sum(row["localizer_ms"] + row["encoder_ms"] for row in readings)) / len(readings)


def _peers(found: Found) -> Iterator[Bar]:
    peers, gpu = {**found.get("peers", {}), "infinity": found.get("infinity", {"rows": ()})}, on_gpu(found)
    bounds = {"plain": 5.0 if gpu else 1.5, "litserve": 1.5 if gpu else 1.2, "infinity": 1.0}
    for name, bound in bounds.items():
        row = at(peers[name]["rows"], "concurrency", 8) if name in peers else None
        if row:
            ratio = _ratio(row["own"]["per_s"], row["peer"]["per_s"])
            failed = _failed(row["own"], row["peer"])
            yield Bar(f"throughput at concurrency 8 / {name}", ratio, bound, "at_least", failed)
    times = peers.get("plain_models_ms")
    if times and gpu:
        ratio = _ratio(times["plain_encoder_ms"], times["own_encoder_ms"])
        yield Bar("encoder's speed / eager open_clip", ratio, 1.3, "at_least")
    elif times:
        yield Bar("model time / plain onnxruntime", _ratio(times["own_ms"], times["plain_ms"]), 0.6, "at_most")


def _classes(found: Found) -> Iterator[Bar]:
    rows = found.get("classes", {}).get("rows", ())
    few, many = (at(rows, "classes", count) for count in (10, 100_000))
    if few and many:
        ratio = _ratio(many["p50_ms"], few["p50_ms"])
        yield Bar("p50 with 100,000 classes / with 10", ratio, 1.10, "at_most", _failed(few, many))


def _sizes(found: Found) -> Iterator[Bar]:
    row = at(found.get("sizes", {}).get("rows", ()), "megapixels", 100)
    if row:
        seconds, failed = _ratio(row["p50_ms"], 1000), _failed(row)
        yield Bar("seconds for a JPEG of 100 megapixels", seconds, 1.5, "at_most", failed)
        yield Bar("MB above rest for a JPEG of 100 megapixels", row["above_resting_mb"], 400.0, "at_most", failed)


def _memory(found: Found) -> Iterator[Bar]:
    row = found.get("memory")
    if row:
        title = f"memory after {row['requests']} requests / after {row['few']}"
        failed = _failed(row) or row["made"] < row["requests"]
        yield Bar(title, _ratio(row["after_all_mb"], row["after_few_mb"]), 1.02, "at_most", failed)


def _registering(found: Found) -> Iterator[Bar]:
    part = found.get("registering", {})
    for row in part.get("rows", ()):
        before, during = row["before"], row["during"]
        title = f"p50 at concurrency {row['concurrency']} while {part['classes']} classes are registered / before"
        yield Bar(title, _ratio(during["p50_ms"], before["p50_ms"]), 1.3, "at_most", _failed(before, during))


def _observing(found: Found) -> Iterator[Bar]:
    part = found.get("observing")
    if part:
        new, seen = part["rows"]["new"], part["rows"]["seen before"]
        failed = _failed(new["on"], new["off"], seen["on"], seen["off"])
        title = "of a new picture with metrics and logs / without"
        yield Bar(f"processor time {title}", new["cpu_ratio"], 1.02, "at_most", failed)
        yield Bar("throughput with metrics and logs / without", new["throughput_ratio"], 0.98, "at_least", failed)
        title = "processor time that metrics and logs add to a request / that of a new picture"
        yield Bar(title, part["added_share"], 0.02, "at_most", failed)


def _decoding(found: Found) -> Iterator[Bar]:
    part = found.get("decoding")
    if part:
        title = "throughput with pictures decoded in processes / in threads"
        yield Bar(title, part["throughput_ratio"], 0.95, "at_least", _failed(part["on"], part["off"]))
