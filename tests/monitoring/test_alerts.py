"""Each alert fires on what it is for, and on nothing else. promtool plays time series against the rules."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from monitoring.prometheus_tools import (  # type: ignore[import-not-found]
    ALERTS,
    MONITORING,
    needs_prometheus,
    promtool,
    rules,
)

JOB = 'job="l2r2"'
HERE = f'{{{JOB},instance="a"}}'
HISTORY = 2 * 24 * 3  # two days of 20 minutes
AFTERWARDS = f"{(HISTORY + 6) * 20}m"
Case = tuple[str, str, dict[str, str], str, set[str]]


def of(name: str, **labels: str) -> str:
    listed = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f'{name}{{{JOB},instance="a"{"," if listed else ""}{listed}}}'


def steady_then(per_step: float, then: float, steps: int = HISTORY, further: int = 8) -> str:
    """A counter that grows evenly for `steps`, and otherwise afterwards."""
    reached = per_step * steps
    return f"0+{per_step}x{steps} {reached + then}+{then}x{further}"


def drift(bad: float) -> dict[str, str]:
    """A dataset in which a tenth of the answers were bad, and then that many; 200 answers in each step."""
    counts = {"l2r2_answers_total": {"branch": "full"}, "l2r2_confidence_count": {}}
    series = {of(name, dataset="pets", **labels): steady_then(200, 200) for name, labels in counts.items()}
    for name, labels in (
        ("l2r2_fallbacks_total", {"reason": "no_detection"}), ("l2r2_agreements_total", {"views": "disagree"}),
        ("l2r2_abstentions_total", {}), ("l2r2_confidence_sum", {}),
    ):  # fmt: skip
        series[of(name, dataset="pets", **labels)] = steady_then(20, 200 * bad)
    series[of("l2r2_agreements_total", dataset="pets", views="agree")] = steady_then(180, 200 * (1 - bad))
    return series


DRIFTS = {"L2R2FallbacksDrift", "L2R2DisagreementsDrift", "L2R2AbstentionsDrift", "L2R2ConfidenceDrift"}
CLASSIFY = {"route": "/classify", "method": "POST"}
REQUESTS = {of("l2r2_requests_total", **CLASSIFY, status="200", code=""): "0+600x60"}
READY = {of("l2r2_ready"): "1x60", of("l2r2_draining"): "0x60", of("l2r2_live"): "1x60", f"up{HERE}": "1x60"}


def beside(*series: dict[str, str]) -> dict[str, str]:
    return {name: values for group in (READY, REQUESTS, *series) for name, values in group.items()}


def canary(ages: str) -> dict[str, str]:
    return {of("l2r2_canary_age_seconds"): ages, of("l2r2_canary_interval_seconds"): "10x60"}


def answered(status: str, values: str) -> dict[str, str]:
    return {of("l2r2_requests_total", **CLASSIFY, status=status, code="a_code"): values}


def refused(values: str) -> dict[str, str]:
    return {of("l2r2_refusals_total", reason="overloaded_time"): values}


def recognized(values: str) -> dict[str, str]:
    return {of("l2r2_pictures_total", dataset="pets", outcome="answered"): values}


def slow(then: str, idle_steps: int = 0) -> dict[str, str]:
    """A day and more of pictures below 0.5 s, perhaps an idle while and six hours as before, then some of `then` s."""
    day = 24 * 12 + 12
    names = [of("l2r2_stage_seconds_bucket", stage="total", le=bound) for bound in ("0.5", "10", "+Inf")]
    before, reached = f"0+100x{day} ", 100 * day
    if idle_steps:
        before += f"{reached}+0x{idle_steps - 1} {reached}+100x71 "
        reached += 7100
    fast = before + f"{reached}+{0 if then == '10' else 100}x8"
    every = before + f"{reached + 100}+100x8"
    return {names[0]: fast, names[1]: every, names[2]: every}


CASES: list[Case] = [
    ("all is well", "1m", beside(), "30m", set()),
    ("gone", "1m", {f"up{HERE}": "1x10 0x50"}, "14m", {"L2R2Down"}),
    ("gone from the DNS", "1m", {f"up{HERE}": "1x10 stale"}, "14m", {"L2R2Down"}),
    ("gone for a moment", "1m", {f"up{HERE}": "1x10 0 1x50"}, "14m", set()),
    ("not ready", "1m", {of("l2r2_ready"): "0x60", of("l2r2_draining"): "0x60"}, "10m", {"L2R2NotReady"}),
    ("loading", "1m", {of("l2r2_ready"): "0x3 1x60", of("l2r2_draining"): "0x60"}, "10m", set()),
    ("stopping", "1m", {of("l2r2_ready"): "0x60", of("l2r2_draining"): "1x60"}, "10m", set()),
    ("dead", "1m", {of("l2r2_live"): "0x60"}, "5m", {"L2R2BeyondHelp"}),
    ("unproven", "1m", canary("0+60x60"), "10m", {"L2R2CanaryOld"}),
    ("proven", "1m", canary("9x60"), "10m", set()),
    ("canary fails", "1m", {of("l2r2_canary_failing_seconds"): "0 20+60x60"}, "5m", {"L2R2CanaryFails"}),
    ("errors", "1m", beside(answered("500", "0+12x60")), "30m", {"L2R2ErrorsHigh"}),
    ("few errors", "1m", beside(answered("500", "0+1x60")), "30m", set()),
    ("callers' errors", "1m", beside(answered("422", "0+500x60")), "30m", set()),
    ("few refusals, a whole batch at a time", "1m", beside(refused("0+32x60"), recognized("0+1900x60")), "30m", set()),
    ("nothing but refusals", "1m", beside(refused("0+60x60")), "30m", {"L2R2RefusalsHigh"}),
    ("refusals", "1m", beside(refused("0+60x60"), recognized("0+600x60")), "30m", {"L2R2RefusalsHigh"}),
    ("wrong keys", "1m", beside({of("l2r2_refusals_total", reason="unauthorized"): "0+600x60"}), "30m", set()),
    ("full", "1m", {of("l2r2_places_taken"): "250x60", of("l2r2_places"): "256x60"}, "10m", {"L2R2QueueFull"}),
    ("half full", "1m", {of("l2r2_places_taken"): "128x60", of("l2r2_places"): "256x60"}, "10m", set()),
    ("slower than in the week", "5m", slow("10"), "1545m", {"L2R2Slow"}),
    ("slower, after three idle hours", "5m", slow("10", 36), f"{1545 + 5 * 108}m", {"L2R2Slow"}),
    ("as slow as ever", "5m", slow("0.5"), "1545m", set()),
    ("memory", "1m", {of("l2r2_device_memory_bytes", kind="used"): "97x60",
                      of("l2r2_device_memory_bytes", kind="total"): "100x60"}, "20m", {"L2R2DeviceMemoryFull"}),
    ("builds", "5m", {of("l2r2_builds"): "2x120"}, "7h", {"L2R2BuildsWait"}),
    ("builds that end", "5m", {of("l2r2_builds"): "2x20 0 2x20 0 2x20 0 2x60"}, "7h", set()),
    ("decoders die", "1m", {of("l2r2_decoders_replaced_total"): "0x10 1+1x50"}, "25m", {"L2R2DecodersDie"}),
    ("a decoder died", "1m", {of("l2r2_decoders_replaced_total"): "0x10 1x50"}, "25m", set()),
    ("decoders are missing", "1m", {of("l2r2_decoders"): "4x60", of("l2r2_decoders_alive"): "4x5 3x55"}, "20m",
     {"L2R2DecodersMissing"}),
    ("bad pictures", "1m", {of("l2r2_decode_errors_total", kind="image_truncated"): "0+30x60",
                            of("l2r2_pictures_total", dataset="pets", outcome="answered"): "0+70x60"}, "40m",
     {"L2R2DecodeErrorsHigh"}),
    ("other pictures than in the week", "20m", drift(0.5), AFTERWARDS, DRIFTS),
    ("the same pictures", "20m", drift(0.12), AFTERWARDS, set()),
]  # fmt: skip


def unit_test(case: Case) -> dict[str, Any]:
    name, interval, series, at, firing = case
    series = {f"up{HERE}": "1x1000"} | series
    expected = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(firing)]
    return {
        "name": name,
        "interval": interval,
        "input_series": [{"series": series_name, "values": values} for series_name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": at,
                "exp_samples": expected,
            }
        ],
    }


@needs_prometheus
def test_promtool_accepts_configuration_and_rules() -> None:
    assert "SUCCESS" in promtool("check", "config", str(MONITORING / "prometheus.yml"))
    assert f"{len(rules())} rules found" in promtool("check", "rules", str(ALERTS))


@needs_prometheus
@pytest.mark.thorough
@pytest.mark.parametrize("interval", ["1m", "5m", "20m"])
def test_alerts_fire_on_what_they_are_for(tmp_path: Path, interval: str) -> None:
    chosen = [case for case in CASES if case[1] == interval]
    document = {
        "rule_files": [str(ALERTS)],
        "evaluation_interval": interval,
        "group_eval_order": [group["name"] for group in yaml.safe_load(ALERTS.read_text())["groups"]],
        "tests": [unit_test(case) for case in chosen],
    }
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump(document))
    promtool("test", "rules", str(file))


def test_every_alert_is_tried_and_says_what_it_means_and_what_to_do() -> None:
    alerts = {rule["alert"]: rule for rule in rules() if "alert" in rule}
    assert set(alerts) == {alert for case in CASES for alert in case[4]}
    for rule in alerts.values():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert len(rule["annotations"]["summary"]) > 20
        assert len(rule["annotations"]["description"]) > 60
