"""What /metrics says is what was sent and answered."""

import asyncio
import io
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from observing.scraped import OPENMETRICS, Numbers, numbers_of, scrape, total  # type: ignore[import-not-found]
from PIL import Image
from security.key_making import asking, bearer, made  # type: ignore[import-not-found]
from security.light_service import light_client  # type: ignore[import-not-found]

from service.api.state import State
from service.app import create_app
from service.observing.metrics import Metrics
from service.observing.reading import Reading
from service.settings import load_settings

pytestmark = pytest.mark.anyio
PER_ANSWER = ("l2r2_answers_total", "l2r2_agreements_total", "l2r2_confidence_count", "l2r2_presence_count")


def picture(colour: tuple[int, int, int], number: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    return buffer.getvalue() + number.to_bytes(4, "big")


GOOD, RED = picture((20, 220, 20)), picture((220, 20, 20))
BAD = {"nothing": b"", "text": b"no picture at all, only words", "cut": GOOD[:40]}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with light_client(tmp_path, metrics_datasets=2) as client:
        for name in ("second", "third"):
            await client.post("/datasets", json={"name": name, "classes": ["red", "blue"]})
        yield client


class Sent:
    """What was asked so far, and what came back, counted by the answers alone."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.requests: Counter[tuple[str, str, str, str]] = Counter()
        self.pictures: Counter[tuple[str, str]] = Counter()
        self.bad: Counter[str] = Counter()
        self.branches: Counter[tuple[str, str]] = Counter()

    async def ask(self, method: str, path: str, route: str, **options: Any) -> httpx.Response:
        answer = await self._client.request(method, path, **options)
        problem = answer.headers["content-type"].endswith("problem+json")
        code = answer.json()["code"] if problem else ""
        self.requests[route, method, str(answer.status_code), code] += 1
        return answer

    async def classify(self, dataset: str, data: bytes, **fields: str) -> None:
        form = {"dataset": dataset, **fields}
        answer = await self.ask("POST", "/classify", "/classify", files={"image": ("a", data)}, data=form)
        self._count(dataset, answer.json())

    async def batch(self, dataset: str, *pictures: bytes) -> None:
        files = [("images", ("a", data)) for data in pictures]
        answer = await self.ask("POST", "/classify/batch", "/classify/batch", files=files, data={"dataset": dataset})
        for item in answer.json()["results"]:
            self._count(dataset, item.get("result") or item["error"])

    def _count(self, dataset: str, document: dict[str, Any]) -> None:
        label = dataset if dataset in ("colours", "second") else "(other)"
        code = document.get("code")
        if code in ("invalid_fields", "dataset_not_found", "overloaded"):
            return  # refused before there was a picture
        self.pictures[label, code or "answered"] += 1
        if code:
            self.bad[code] += 1
        else:
            self.branches[label, document["branch"]] += 1

    def check(self, numbers: Numbers) -> None:
        for (route, method, status, code), count in self.requests.items():
            labels = {"route": route, "method": method, "status": status, "code": code}
            assert total(numbers, "l2r2_requests_total", **labels) == count, labels
        for (dataset, outcome), count in self.pictures.items():
            assert total(numbers, "l2r2_pictures_total", dataset=dataset, outcome=outcome) == count
            if outcome == "answered":
                assert [total(numbers, name, dataset=dataset) for name in PER_ANSWER] == [count] * len(PER_ANSWER)
        for (dataset, branch), count in self.branches.items():
            assert total(numbers, "l2r2_answers_total", dataset=dataset, branch=branch) == count
        for kind, count in self.bad.items():
            assert total(numbers, "l2r2_decode_errors_total", kind=kind) == count
        answered = sum(count for (_, outcome), count in self.pictures.items() if outcome == "answered")
        assert total(numbers, "l2r2_stage_seconds_count", stage="total") == answered
        assert total(numbers, "l2r2_request_seconds_count") == total(numbers, "l2r2_requests_total")
        assert total(numbers, "l2r2_pictures_total") == self.pictures.total()
        assert total(numbers, "l2r2_decode_errors_total") == self.bad.total()
        assert total(numbers, "l2r2_requests_in_progress") == 1, "the scrape itself"


async def test_counters_equal_what_was_sent(client: httpx.AsyncClient) -> None:
    sent = Sent(client)
    for dataset in ("colours", "second", "third", "nowhere"):
        await sent.classify(dataset, GOOD)
        await sent.classify(dataset, RED, branches="full,fg")
    for data in BAD.values():
        await sent.classify("colours", data)
    await sent.classify("second", GOOD, fusion="best")
    await sent.batch("colours", GOOD, BAD["text"], RED)
    await sent.batch("third", RED)
    await sent.ask("GET", "/datasets/colours", "/datasets/{name}")
    await sent.ask("GET", "/datasets/second/versions", "/datasets/{name}/versions")
    await sent.ask("PUT", "/datasets/second/current", "/datasets/{name}/current", json={"version": "12345678"})
    await sent.ask("DELETE", "/classify", "/classify")
    await sent.ask("GET", "/nothing/at/all", "other")
    await sent.ask("GET", "/livez", "/livez")
    assert {code for _, _, _, code in sent.requests} > {"", "not_found", "dataset_not_found", "method_not_allowed"}
    sent.check(await scrape(client))


async def test_many_at_a_time_are_all_counted(client: httpx.AsyncClient) -> None:
    sent = Sent(client)
    await asyncio.gather(*(sent.classify("colours", picture((20, 220, 20), number)) for number in range(40)))
    sent.check(await scrape(client))


async def test_refusals_are_counted_by_reason(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    secret, few = made(keys, "both"), made(keys, "few", "observe", per_minute=1)
    async with asking(create_app(load_settings(keys_file=keys, data_dir=tmp_path)), bearer(secret)) as client:
        statuses = [
            (await client.get("/models", headers=bearer("wrong"))).status_code,
            (await client.get("/models")).status_code,
            (await client.get("/models", headers=bearer(few))).status_code,
            (await client.get("/metrics", headers=bearer(few))).status_code,
            (await client.get("/metrics", headers=bearer(few))).status_code,
            (await client.post("/datasets", headers={"Content-Length": str(2**40)})).status_code,
        ]
        assert statuses == [401, 503, 403, 200, 429, 413]
        numbers = await scrape(client)
    reasons = ("unauthorized", "not_ready", "forbidden", "rate_limited", "body_too_large")
    assert [total(numbers, "l2r2_refusals_total", reason=reason) for reason in reasons] == [1] * len(reasons)
    assert total(numbers, "l2r2_refusals_total") == len(reasons)


async def test_every_refusal_for_want_of_places_is_counted(tmp_path: Path) -> None:
    async with light_client(tmp_path, queue_items=2) as client:
        sent, recognizer = Sent(client), client._transport.app.state.service.parts.recognizer  # type: ignore[attr-defined]
        recognizer.localizer.open.clear()
        inside = [asyncio.create_task(sent.classify("colours", picture((20, 220, 20), number))) for number in range(2)]
        async with asyncio.timeout(20):
            while recognizer.admission.occupancy.inside < 2:
                await asyncio.sleep(0)
        for _ in range(5):
            await sent.classify("colours", GOOD)
        numbers = await scrape(client)
        recognizer.localizer.open.set()
        await asyncio.gather(*inside)
    assert (total(numbers, "l2r2_places_taken"), total(numbers, "l2r2_places")) == (2, 2)
    refused = sent.requests["/classify", "POST", "503", "overloaded"]
    assert refused == 5 == total(numbers, "l2r2_refusals_total", reason="overloaded_places")
    assert total(numbers, "l2r2_refusals_total") == 5


async def test_both_formats_say_the_same(client: httpx.AsyncClient) -> None:
    await Sent(client).classify("colours", GOOD)
    plain = await client.get("/metrics", headers={"Accept": "text/plain"})
    modern = await client.get("/metrics", headers={"Accept": OPENMETRICS})
    assert plain.headers["content-type"].startswith("text/plain")
    assert modern.headers["content-type"].startswith("application/openmetrics-text")
    assert modern.text.endswith("# EOF\n")
    first, second = numbers_of(plain.text), numbers_of(modern.text, is_openmetrics=True)
    assert set(second) - set(first) <= {key for key in second if dict(key[1]).get("route") == "/metrics"}
    for key in ("l2r2_answers_total", "l2r2_pictures_total", "l2r2_ready", "l2r2_worker_batch_items_count"):
        assert total(first, key) == total(second, key) > 0
    assert not any(name.endswith("_created") for name, _ in first)


async def test_it_answers_while_models_are_being_loaded(tmp_path: Path) -> None:
    async with asking(create_app(load_settings(data_dir=tmp_path, allow_anonymous=True))) as client:
        numbers = await scrape(client)
    assert (total(numbers, "l2r2_ready"), total(numbers, "l2r2_live")) == (0, 1)
    assert total(numbers, "l2r2_places") == load_settings().queue_items
    assert not any(name.startswith("l2r2_worker_alive") for name, _ in numbers)


async def test_a_key_that_observes_opens_metrics_and_health_alone(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    secret = made(keys, "prometheus", "observe")
    async with asking(create_app(load_settings(keys_file=keys, data_dir=tmp_path))) as client:
        assert (await client.get("/metrics")).status_code == 401
        opened = [(await client.get(path, headers=bearer(secret))).status_code for path in ("/metrics", "/healthz")]
        assert opened == [200, 503]
        for method, path in (("GET", "/datasets"), ("GET", "/models"), ("POST", "/classify"), ("POST", "/datasets")):
            assert (await client.request(method, path, headers=bearer(secret))).status_code == 403
    async with asking(create_app(load_settings(keys_file=keys, data_dir=tmp_path, public_paths="/metrics"))) as client:
        assert (await client.get("/metrics")).status_code == 200


async def test_each_application_counts_for_itself(tmp_path: Path) -> None:
    first, second = (create_app(load_settings(data_dir=tmp_path, allow_anonymous=True)) for _ in range(2))
    async with asking(first) as one, asking(second) as two:
        await one.get("/livez")
        assert total(await scrape(one), "l2r2_requests_total", route="/livez") == 1
        assert total(await scrape(two), "l2r2_requests_total") == 0


async def test_labels_stay_few_whatever_strangers_ask(tmp_path: Path) -> None:
    async with asking(create_app(load_settings(data_dir=tmp_path, allow_anonymous=True))) as client:
        before = len(await scrape(client))
        await scrape(client)
        for number in range(50):
            await client.request(f"VERB{number}", f"/path{number}")
            await client.get(f"/datasets/name{number}")
        after = await scrape(client)
    assert len(after) - before < 100
    said = {value for _, labels in after for _, value in labels}
    assert not [value for value in said if any(own in value for own in ("VERB", "path", "name4"))]


async def test_what_is_off_is_not_there_and_not_imported(tmp_path: Path) -> None:
    async with asking(create_app(load_settings(data_dir=tmp_path, allow_anonymous=True, metrics="off"))) as client:
        assert (await client.get("/metrics")).status_code == 404
        assert "/metrics" not in (await client.get("/openapi.json")).json()["paths"]
    code = (
        "import sys, service.api.metrics, service.api.middleware\n"
        "from service.observing.chosen import observer_of\n"
        "from service.settings import load_settings\n"
        "def there(): return sorted({'prometheus_client', 'opentelemetry.sdk'} & set(sys.modules))\n"
        "observer_of(load_settings(metrics='off')); print(there())\n"
        "observer_of(load_settings()); print(there())\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "[]\n['prometheus_client']\n"


@pytest.mark.parametrize(
    "accept", ["text/plain; version=x", "application/openmetrics-text;version=1.0.0-rc1", ";;,=", "é"]
)
async def test_an_odd_wish_gets_the_usual_text(client: httpx.AsyncClient, accept: str) -> None:
    answer = await client.get("/metrics", headers={"accept": accept.encode()})
    assert answer.status_code == 200
    assert "l2r2_ready 1.0" in answer.text


async def test_who_asks_while_it_is_being_told_hears_the_same() -> None:
    metrics, told = Metrics(2), []
    gate, entered = threading.Event(), threading.Event()
    reading = State(load_settings()).reading()

    def read() -> Reading:
        told.append(reading)
        entered.set()
        assert gate.wait(20)
        return reading

    metrics.watch(read)
    began = len(told)
    first = asyncio.ensure_future(metrics.rendered_beside(""))
    await asyncio.to_thread(entered.wait, 20)
    others = [asyncio.ensure_future(metrics.rendered_beside("")) for _ in range(50)]
    others[0].cancel()
    await asyncio.gather(others[0], return_exceptions=True)
    gate.set()
    assert len({await asking for asking in (first, *others[1:])}) == 1
    assert len(told) == began + 1
    await metrics.rendered_beside("")
    assert len(told) == began + 2
    metrics.close()
