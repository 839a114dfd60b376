import json
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.bench.figures import Point, joined, percentile, poisson_arrivals, spread

TIMES = st.lists(st.floats(0, 1e6), min_size=1, max_size=50)


def test_a_percentile_is_the_nearest_rank() -> None:
    values = [40.0, 10.0, 30.0, 20.0]
    assert [percentile(values, percent) for percent in (1, 25, 26, 50, 75, 99, 100)] == [10, 10, 20, 20, 30, 40, 40]
    assert math.isnan(percentile([], 50))
    with pytest.raises(ValueError, match="percent"):
        percentile(values, 0)


@given(TIMES, st.floats(0.1, 100))
def test_a_percentile_is_one_of_the_values_and_that_part_of_them_is_not_above_it(
    values: list[float], percent: float
) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= percent / 100 * len(values) * (1 - 1e-12)


def test_the_spread_is_p90_over_p50() -> None:
    assert spread([2.0] * 9 + [3.0]) == 1.0
    assert spread([2.0] * 8 + [3.0] * 2) == 1.5


@given(st.floats(0.1, 200), st.floats(0.1, 5), st.integers(0, 5))
def test_as_many_arrive_as_the_rate_says_in_order_and_within_the_time(rate: float, seconds: float, seed: int) -> None:
    arrivals = poisson_arrivals(rate, seconds, seed)
    assert len(arrivals) == max(1, round(rate * seconds))
    assert arrivals == sorted(arrivals)
    assert arrivals[0] > 0
    assert arrivals[-1] < seconds * (1 + 1e-9)
    assert arrivals == poisson_arrivals(rate, seconds, seed)


def test_the_gaps_between_arrivals_are_those_of_independent_callers() -> None:
    arrivals = [0.0, *poisson_arrivals(100, 100)]
    gaps = [after - before for before, after in pairwise(arrivals)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert deviation / mean == pytest.approx(1.0, abs=0.05)  # an exponential's


def point(**changed: object) -> Point:
    usual: dict[str, object] = {
        "seconds": 2.0,
        "latencies_ms": (100.0, 300.0, 200.0),
        "statuses": {"200": 5, "503": 1},
        "unexpected": 0,
        "all_seconds": 3.0,
        "client_cpu_s": 0.1,
        "concurrency": 4,
    }
    return Point(**{**usual, **changed})  # type: ignore[arg-type]


def test_a_load_counts_the_answers_of_its_window_and_the_errors_of_all() -> None:
    load = point()
    assert (load.requests, load.per_s, load.all_requests, load.errors) == (3, 1.5, 6, 1)
    document = load.document()
    assert (document["p50_ms"], document["p99_ms"], document["per_s"]) == (200.0, 300.0, 1.5)


def test_what_never_came_is_a_wait_and_no_throughput() -> None:
    load = point(latencies_ms=(100.0, 9000.0), unanswered=1)
    assert (load.requests, load.per_s, load.document()["p99_ms"]) == (1, 0.5, 9000.0)
    assert joined([load, load]).requests == 2


def test_a_load_without_answers_has_nulls_in_its_json() -> None:
    for seconds in (0.0, 2.0):
        document = json.loads(json.dumps(point(latencies_ms=(), seconds=seconds).document(), allow_nan=False))
        assert (document["p50_ms"], document["p99_ms"], document["per_s"]) == (None, None, 0.0)


def test_several_measurements_of_one_load_are_joined() -> None:
    both = joined([point(server_rss_mb=10.0, limit_per_s=4.0), point(statuses={"200": 1}, server_rss_mb=30.0)])
    assert (both.seconds, both.requests, both.statuses) == (4.0, 6, {"200": 6, "503": 1})
    assert (both.server_rss_mb, both.limit_per_s, both.server_cpu_s) == (30.0, 4.0, None)
    sizes = joined([point(batch_sizes={"encoder": 1.0}), point(batch_sizes={"encoder": 2.0, "segmenter": 3.0})])
    assert sizes.batch_sizes == {"encoder": 1.5, "segmenter": 3.0}
