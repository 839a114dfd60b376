"""A real Prometheus reads a real service under load: every question of the dashboard has an answer."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from light_models import COLOURS, FAILS, picture_of  # type: ignore[import-not-found]
from monitoring.prometheus_tools import (  # type: ignore[import-not-found]
    MONITORING,
    Prometheus,
    needs_prometheus,
    promtool,
    running_prometheus,
)
from observing.scraped import numbers_of, total  # type: ignore[import-not-found]
from running import RunningService, running  # type: ignore[import-not-found]

pytestmark = pytest.mark.thorough

DASHBOARD = json.loads((MONITORING / "grafana/dashboards/l2r2.json").read_text())
VARIABLES = {"$__rate_interval": "5s", "$instance": ".*", "$dataset": ".*"}
WAIT_S = 60


class ObservedService(RunningService):
    command = (str(Path(__file__).parents[1] / "observed_service.py"),)


def questions() -> list[tuple[str, str]]:
    """Title and expression of everything that the dashboard asks for."""
    found = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    for variable in DASHBOARD["templating"]["list"]:
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]
        found.append((variable["name"], f'{metric}{{{label}!=""}}'))
    return found


def filled(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def send_until(done: threading.Event, url: str) -> None:
    """All that can come: good pictures, new and seen before, alone and together, bad ones, and other requests."""
    with httpx.Client(base_url=url, timeout=30) as client:
        for number in count():
            if done.is_set():
                return
            green = picture_of(COLOURS["green"], number)
            form = {"dataset": "colours"}
            client.post("/classify", files={"image": ("a", green)}, data=form)
            client.post("/classify", files={"image": ("a", green)}, data={**form, "cascade": "0.1"})
            client.post("/classify", files={"image": ("a", picture_of(FAILS, number))}, data=form)
            client.post("/classify", files={"image": ("a", b"nothing of use")}, data=form)
            files = [("images", ("a", picture_of(COLOURS["red"], number))), ("images", ("b", b"bad"))]
            client.post("/classify/batch", files=files, data={**form, "abstain_below": "1"})
            client.get("/nothing")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("observed")
    with running(folder / "log", ObservedService, data_dir=str(folder / "data")) as service:
        names = {"name": "colours", "classes": list(COLOURS)}
        assert httpx.post(f"{service.url}/datasets", json=names).status_code == 201
        yield service


@pytest.fixture(scope="module")
def prometheus(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    done = threading.Event()
    log = tmp_path_factory.mktemp("prometheus") / "log"
    with ThreadPoolExecutor(1) as pool, running_prometheus(service.url.removeprefix("http://"), free_port(), log) as it:
        sending = pool.submit(send_until, done, service.url)
        try:
            yield it
        finally:
            done.set()
        sending.result(WAIT_S)


def until_answered(prometheus: Prometheus, wanted: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    """What each expression gives, once all give something, or what they gave at last."""
    found: dict[str, list[dict[str, Any]]] = {}
    pause = threading.Event()
    for _ in range(WAIT_S * 4):
        if prometheus.is_up():
            found |= {name: prometheus.query(asked) for name, asked in wanted.items() if not found.get(name)}
            if all(found.values()):
                break
        pause.wait(0.25)
    return found


@needs_prometheus
def test_every_question_of_the_dashboard_has_an_answer(prometheus: Prometheus) -> None:
    wanted = {f"{title}: {expression}": filled(expression) for title, expression in questions()}
    assert len(wanted) > 40
    found = until_answered(prometheus, wanted)
    assert [name for name in wanted if not found.get(name)] == []
    for name, rows in found.items():
        values = [float(row["value"][1]) for row in rows]
        if not any(word in name for word in ("Cascades", "disagree", "Disagreements", "of no use", "p9")):
            assert any(value == value for value in values), (name, rows)  # some number, not 0 / 0 alone


@needs_prometheus
def test_the_recorded_series_are_there_and_nothing_fires_on_a_healthy_service(prometheus: Prometheus) -> None:
    recorded = ["l2r2:answers:increase1h", "l2r2:fallbacks:ratio1h", "l2r2:picture_seconds:p95_10m"]
    assert all(until_answered(prometheus, {name: name for name in recorded}).values())
    assert prometheus.query('up{job="l2r2"}')[0]["value"][1] == "1"
    assert prometheus.query('ALERTS{alertstate="firing"}') == []


@needs_prometheus
def test_promtool_finds_no_fault_with_the_metrics(service: RunningService) -> None:
    text = httpx.get(f"{service.url}/metrics").text
    promtool("check", "metrics", text=text)


def test_what_is_refused_at_the_connection_is_counted(service: RunningService) -> None:
    before = numbers_of(httpx.get(f"{service.url}/metrics").text)
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n")
        assert b" 400 " in connection.recv(1000)
    after = numbers_of(httpx.get(f"{service.url}/metrics").text)
    reason = {"reason": "malformed_request"}
    assert total(after, "l2r2_refusals_total", **reason) == total(before, "l2r2_refusals_total", **reason) + 1


def test_the_dashboard_is_provisioned_as_it_stands() -> None:
    (source,) = yaml.safe_load((MONITORING / "grafana/provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    used = {target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())}
    assert used == {source["uid"]}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    described = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    assert all(panel["title"] and panel["description"] for panel in described)
    right = [panel["gridPos"]["x"] + panel["gridPos"]["w"] for panel in DASHBOARD["panels"]]
    assert max(right) == 24
