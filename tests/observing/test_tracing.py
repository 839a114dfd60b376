"""Spans of requests, pictures and stages, as the SDK keeps them and as a receiver of OTLP gets them."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from light_models import COLOURS, picture_of  # type: ignore[import-not-found]
from observing.scraped import OPENMETRICS  # type: ignore[import-not-found]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from running import LightService, running  # type: ignore[import-not-found]
from security.light_service import light_service  # type: ignore[import-not-found]

from service.access.keys import new_secret
from service.api.state import State
from service.observing.exchange import Exchange
from service.observing.tracing import Tracing, started

pytestmark = pytest.mark.anyio
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLERS = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}
STAGES = {"decode", "locate", "views", "embed", "score"}
GREEN, RED = picture_of(COLOURS["green"]), picture_of(COLOURS["red"])


class Traced:
    def __init__(self, client: httpx.AsyncClient, state: State, kept: InMemorySpanExporter) -> None:
        self.client, self.state, self._kept = client, state, kept

    async def classify(self, *pictures: bytes, **headers: str) -> httpx.Response:
        path, field = ("/classify", "image") if len(pictures) == 1 else ("/classify/batch", "images")
        files = [(field, ("a", data)) for data in pictures]
        return await self.client.post(path, files=files, data={"dataset": "colours"}, headers=headers)

    def spans(self, name: str | None = None) -> list[ReadableSpan]:
        return [span for span in self._kept.get_finished_spans() if name in (None, span.name)]

    def below(self, span: ReadableSpan) -> list[ReadableSpan]:
        assert span.context is not None
        return [it for it in self.spans() if it.parent is not None and it.parent.span_id == span.context.span_id]


@asynccontextmanager
async def traced(folder: Path, **options: Any) -> AsyncIterator[Traced]:
    """A light service whose spans are kept."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False, **options)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    async with light_service(folder) as app:
        app.state.service.observer.tracing = Tracing(provider)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service", timeout=60) as client:
            answer = await client.post("/datasets", json={"name": "colours", "classes": list(COLOURS)})
            assert answer.status_code == 201, answer.text
            kept.clear()
            yield Traced(client, app.state.service, kept)
        await asyncio.to_thread(app.state.service.observer.close)


async def test_a_request_is_a_span_with_its_picture_and_its_stages_within(tmp_path: Path) -> None:
    async with traced(tmp_path) as service:
        answer = await service.classify(GREEN, **CALLERS)
        (request,) = service.spans("POST /classify")
        (picture,) = service.below(request)
        stages = service.below(picture)
        assert {format(span.context.trace_id, "032x") for span in service.spans() if span.context} == {TRACE}
        assert request.parent is not None
        assert format(request.parent.span_id, "016x") == PARENT
        assert request.kind.name == "SERVER"
        told = dict(request.attributes or {})
        assert told["l2r2.request_id"] == answer.json()["request_id"] == answer.headers["x-request-id"]
        assert (told["http.route"], told["http.response.status_code"]) == ("/classify", 200)
        assert picture.name == "recognize"
        assert dict(picture.attributes or {}).items() >= {"l2r2.dataset": "colours", "l2r2.branch": "full"}.items()
        assert {span.name for span in stages} == STAGES
        timings = answer.json()["timings_ms"]
        took_ms = dict.fromkeys(STAGES, 0.0)
        for span in stages:
            assert span.start_time is not None and span.end_time is not None  # noqa: PT018
            assert picture.start_time is not None and picture.end_time is not None  # noqa: PT018
            took_ms[span.name] += (span.end_time - span.start_time) / 1e6
            assert picture.start_time - 1e6 < span.start_time <= span.end_time < picture.end_time + 1e6
        assert took_ms == pytest.approx({name: timings[name] for name in STAGES}, abs=0.02)


async def test_a_time_in_the_metrics_names_a_trace_that_took_as_long(tmp_path: Path) -> None:
    async with traced(tmp_path) as service:
        await service.classify(GREEN, **CALLERS)
        text = (await service.client.get("/metrics", headers={"Accept": OPENMETRICS})).text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        exemplars = [it.exemplar for it in samples if it.exemplar and it.labels.get("route") == "/classify"]
        assert [exemplar.labels for exemplar in exemplars] == [{"trace_id": TRACE}]


async def test_each_picture_of_a_batch_is_a_span_and_a_failing_one_says_so(tmp_path: Path) -> None:
    async with traced(tmp_path) as service:
        await service.classify(GREEN, b"no picture", RED)
        (request,) = service.spans("POST /classify/batch")
        pictures = service.below(request)
        failed = [span for span in pictures if not span.status.is_ok]
        assert len(pictures) == 3
        assert [dict(span.attributes or {})["error.type"] for span in failed] == ["image_unsupported"]
        assert all({it.name for it in service.below(span)} == STAGES for span in pictures if span not in failed)
        assert request.status.is_ok, "a batch is answered"


async def test_requests_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    async with traced(tmp_path) as service:
        count = 20
        traces = [f"{number + 1:032x}" for number in range(count)]
        headers = [{"traceparent": f"00-{trace}-{PARENT}-01"} for trace in traces]
        await asyncio.gather(*(service.classify(picture_of(COLOURS["blue"], n), **headers[n]) for n in range(count)))
        for request in service.spans("POST /classify"):
            (picture,) = service.below(request)
            names = [it.name for it in service.below(picture)]
            assert sorted(names) == sorted(STAGES)
        named = [format(span.context.trace_id, "032x") for span in service.spans("recognize") if span.context]
        assert sorted(named) == traces


@pytest.mark.parametrize("header", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01"])
async def test_a_bad_traceparent_begins_a_new_trace(tmp_path: Path, header: str) -> None:
    async with traced(tmp_path) as service:
        assert (await service.classify(GREEN, traceparent=header)).status_code == 200
        (request,) = service.spans("POST /classify")
        assert request.parent is None


async def test_callers_and_samplers_decide_what_is_recorded(tmp_path: Path) -> None:
    async with traced(tmp_path / "a") as service:
        assert (await service.classify(GREEN, traceparent=f"00-{TRACE}-{PARENT}-00")).status_code == 200
        assert service.spans() == []
    async with traced(tmp_path / "b", sampler=ALWAYS_OFF) as service:
        assert (await service.classify(GREEN, **CALLERS)).status_code == 200
        assert service.spans() == []


async def test_what_strangers_write_gives_no_names_and_shows_no_secrets(tmp_path: Path) -> None:
    async with traced(tmp_path) as service:
        secret = new_secret()
        await service.client.request("BREW", f"/{secret}/{'x' * 5000}")
        (request,) = service.spans()
        assert request.name == "other other"
        assert secret not in str(dict(request.attributes or {}))
        assert len(str(dict(request.attributes or {})["url.path"])) <= 512


async def test_an_unanswerable_request_is_an_error(tmp_path: Path) -> None:
    async with traced(tmp_path) as service:
        state = service.state
        parts, state.parts = state.parts, None
        assert (await service.classify(GREEN)).status_code == 503
        state.parts = parts
        (request,) = service.spans("POST /classify")
        assert not request.status.is_ok
        assert dict(request.attributes or {})["error.type"] == "not_ready"


class Receiver:
    """Of OTLP over HTTP: what it got."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.port = 0

    def spans(self) -> list[Any]:
        scopes = [scope for request in self.requests for it in request.resource_spans for scope in it.scope_spans]
        return [span for scope in scopes for span in scope.spans]

    def resource(self) -> dict[str, str]:
        return {it.key: it.value.string_value for it in self.requests[0].resource_spans[0].resource.attributes}


@contextmanager
def receiver() -> Iterator[Receiver]:
    got = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            import gzip

            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            got.requests.append(ExportTraceServiceRequest.FromString(body))
            got.headers.append({name.lower(): value for name, value in self.headers.items()} | {"path": self.path})
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        got.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield got
        finally:
            server.shutdown()
            thread.join()


def test_the_standard_variables_say_where_spans_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as got:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{got.port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=birds")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        tracing = started()
        tracing.request("GET", "/models", "an id", CALLERS).end(Exchange("GET", "/models", 200, 0.1))
        tracing.close()
        (span,) = got.spans()
        assert (span.name, span.trace_id.hex(), span.parent_span_id.hex()) == ("GET /models", TRACE, PARENT)
        wanted = {"service.name": "l2r2", "deployment.environment.name": "test"}
        assert got.resource().items() >= wanted.items()
        assert got.headers[0]["x-tenant"] == "birds"


@pytest.mark.slow
def test_spans_are_sent_over_otlp_and_the_last_ones_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver() as got:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{got.port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=birds")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "birds")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
        with running(tmp_path / "log", LightService, data_dir=str(tmp_path / "data"), traces="on") as service:
            httpx.post(f"{service.url}/datasets", json={"name": "colours", "classes": list(COLOURS)})
            sent = {"files": {"image": ("a", GREEN)}, "data": {"dataset": "colours"}, "headers": CALLERS}
            answer = httpx.post(f"{service.url}/classify", **sent)  # type: ignore[arg-type]
            assert answer.status_code == 200, answer.text
            assert service.stop() == 0
        (line,) = [line for line in service.log_lines() if line.get("path") == "/classify"]
        assert line["trace_id"] == TRACE
        assert line["request_id"] == answer.json()["request_id"]
        assert {"POST /classify", "recognize", *STAGES} <= {span.name for span in got.spans()}
        assert {span.trace_id.hex() for span in got.spans() if span.name in STAGES} == {TRACE}
        assert got.resource().items() >= {"service.name": "birds", "telemetry.sdk.language": "python"}.items()
        assert (got.headers[0]["path"], got.headers[0]["x-tenant"]) == ("/v1/traces", "birds")


@pytest.mark.slow
def test_a_receiver_that_is_not_there_hinders_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    with running(tmp_path / "log", LightService, data_dir=str(tmp_path / "data"), traces="on") as service:
        httpx.post(f"{service.url}/datasets", json={"name": "colours", "classes": list(COLOURS)})
        sent = {"files": {"image": ("a", GREEN)}, "data": {"dataset": "colours"}}
        for _ in range(5):
            assert httpx.post(f"{service.url}/classify", **sent).status_code == 200  # type: ignore[arg-type]
        assert service.stop() == 0


def test_traces_without_the_extra_stop_the_start_with_what_to_do(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['opentelemetry.sdk'] = None\n"
        "from service.errors import SettingsError\n"
        "from service.observing.chosen import observer_of\n"
        "from service.settings import load_settings\n"
        "try: observer_of(load_settings(traces='on', metrics='off'))\n"
        "except SettingsError as error: print(error.detail)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install '.[otel]'" in done.stdout, done.stderr
