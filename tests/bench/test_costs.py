from pathlib import Path
from typing import Any

import pytest
from fake_meter import FakeMeter, FakeRemote, said  # type: ignore[import-not-found]

from service.bench.checks import measure_memory, measure_registering
from service.bench.costs import TURNS, measure_classes, measure_datasets, measure_sizes
from service.bench.peers_part import CONCURRENCY, compared
from service.bench.pictures import drawn, jpeg


def test_lists_of_classes_take_turns_and_are_forgotten_again() -> None:
    meter, remote = FakeMeter({"mine-classes-50": 120.0}), FakeRemote()
    rows = measure_classes(meter, remote, meter.request, (10, 50), 3.0, said)["rows"]
    assert remote.registered == {"mine-classes-10": 10, "mine-classes-50": 50}
    assert set(remote.forgotten) == set(remote.registered)
    assert [names for _, names in meter.loads] == [["mine-classes-10"], ["mine-classes-50"]] * TURNS
    assert [(row["classes"], row["p50_ms"], row["requests"]) for row in rows] == [(10, 100.0, 12), (50, 120.0, 12)]


def test_many_datasets_are_gone_round_in_and_compared_with_one_of_them() -> None:
    meter, remote = FakeMeter(), FakeRemote()
    rows = measure_datasets(meter, remote, meter.request, (3, 1), 3.0, said)["rows"]
    assert [row["datasets"] for row in rows] == [1, 3]
    assert len(remote.registered) == len(remote.forgotten) == 3
    assert [len(names) for _, names in meter.loads] == [1, 1] * TURNS + [1, 3] * TURNS


def test_a_size_is_charged_with_its_peak_above_what_rested_before(tmp_path: Path) -> None:
    meter = FakeMeter()
    rows = measure_sizes(meter, meter.request, (0.01, 0.02), 1.0, tmp_path, 10**6, said)["rows"]
    assert [row["above_resting_mb"] for row in rows] == [8.0, 8.0]
    assert rows[0]["bytes"] < rows[1]["bytes"]
    assert list(tmp_path.iterdir()) == []


def test_memory_is_read_after_the_first_requests_and_after_all() -> None:
    found = measure_memory(FakeMeter(), 5000, said)
    readings = {"resting_mb": 100.0, "after_few_mb": 101.0, "after_all_mb": 102.0}
    assert found == {"few": 500, "requests": 5000, "made": 5000, "errors": 0, "unexpected": 0, **readings}
    assert measure_memory(FakeMeter(), 100, said)["few"] == 10


def test_a_memory_check_that_was_cut_says_how_many_requests_it_made() -> None:
    assert measure_memory(FakeMeter(most=1500), 5000, said)["made"] == 2000


def test_a_list_is_sent_while_a_load_runs_and_what_ends_before_it_is_built_counts() -> None:
    remote = FakeRemote(pending=3)
    meter = FakeMeter(begun=lambda: len(meter.loads) > 1 and remote.may.set())  # the first load is the one before
    found = measure_registering(meter, remote, 1000, 2.0, said, lead_s=0.0)
    assert remote.registered == {"mine-long-1": 1000, "mine-long-8": 1000}
    assert remote.forgotten == list(remote.registered)
    rows = {row["concurrency"]: row for row in found["rows"]}
    assert rows[1]["during"]["requests"] >= 3 * 4
    # The second list is built at once: the load in which it was sent counts all the same.
    assert rows[8]["during"]["requests"] >= 4


def test_ours_and_theirs_take_turns_at_every_concurrency(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(drawn(8, 8)))
    own, peer = FakeMeter({"own": 50.0}), FakeMeter()
    rows: list[dict[str, Any]] = compared(own, own.request, peer, peer.request, 2.0, said, "peer")["rows"]
    assert [row["concurrency"] for row in rows] == list(CONCURRENCY)
    assert [(row["own"]["p50_ms"], row["peer"]["p50_ms"]) for row in rows] == [(50.0, 100.0)] * 2
    assert len(own.loads) == len(peer.loads)
    assert rows[0]["own"]["per_s"] == pytest.approx(4.0)
