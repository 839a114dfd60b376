from dataclasses import dataclass, replace
from typing import Any

import pytest
from fake_meter import FakeMeter, said  # type: ignore[import-not-found]

from service.bench.bars import bars
from service.bench.figures import Point
from service.bench.observing_part import PICTURES, cpu_us, measure_observing
from service.bench.request import Request


@dataclass
class Costing(FakeMeter):  # type: ignore[misc]
    """A request takes so much processor time, and more for pictures that are new."""

    added_s: float = 0.0
    remote: None = None

    def closed(
        self, concurrency: int, seconds: float, least: int | None = None, request: Request | None = None
    ) -> Point:
        point = replace(super().closed(concurrency, seconds, 100), batch_sizes={})
        each_s = self.added_s + (0.2 if self.request.distinct else 0.002)
        return replace(point, server_cpu_s=point.all_requests * each_s)


def run(added_s: float) -> tuple[dict[str, Any], list[Any]]:
    started: list[Any] = []

    def start(settings: Any) -> Costing:
        started.append(settings)
        return Costing(added_s=added_s if settings["metrics"] == "on" else 0.0)

    return measure_observing(start, 8.0, said), started


def test_two_services_are_asked_in_turns_and_what_is_added_is_told() -> None:
    found, started = run(0.0001)
    assert [(it["metrics"], it["log_level"]) for it in started] == [("on", "info"), ("off", "warning")]
    for name, (turns, _) in PICTURES.items():
        row = found["rows"][name]
        assert len(row["cpu_ratios"]) == turns
        assert row["added_us"] == pytest.approx(100)
        assert row["throughput_ratio"] == 1
    assert found["rows"]["new"]["cpu_ratio"] == pytest.approx(1 + 0.0001 / 0.2)
    assert found["rows"]["seen before"]["cpu_ratio"] == pytest.approx(1 + 0.0001 / 0.002)
    assert found["added_share"] == pytest.approx(0.0001 / 0.2)


@pytest.mark.parametrize(("added_s", "kept"), [(0.0001, True), (0.003, True), (0.006, False)])
def test_two_percent_of_a_new_pictures_time_is_the_bar(added_s: float, kept: bool) -> None:
    found = bars({"observing": run(added_s)[0]})
    assert len(found) == 3
    assert [bar.kept for bar in found] == [kept, True, kept]


def test_a_load_without_an_answer_has_no_processor_time_for_each() -> None:
    assert cpu_us(Point(1.0, (), {}, 0, 1.0, 0.0, server_cpu_s=1.0)) == 0
