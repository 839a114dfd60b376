"""OpenTelemetry spans: a request, its pictures, and each stage of a picture's way.

Where they are sent, and which, the standard `OTEL_` variables say; the SDK reads them itself. The provider is this
application's own, no global one. Stages tell of themselves when they end (`telemetry.stage_seen`): they know no spans.
"""

import contextvars
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import service
from service.errors import ServiceError
from service.observing.exchange import Exchange
from service.observing.names import method_label
from service.recognition.answers import Recognition
from service.telemetry import stage_seen, without_secrets

CLOSE_S = 5.0  # for what is still to be sent
SERVER_ERROR = 500
LONGEST_PATH = 512  # characters
_within: contextvars.ContextVar[Context | None] = contextvars.ContextVar("within", default=None)


def started() -> "Tracing":
    """Sends over OTLP and HTTP, in batches, from a thread of its own."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    own = Resource({"service.name": "l2r2", "service.version": service.__version__})
    resource = Resource.create().merge(own).merge(OTELResourceDetector().detect())  # what is set wins
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)


class Tracing:
    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("l2r2", service.__version__)
        self._propagator = TraceContextTextMapPropagator()

    def request(self, method: str, path: str, own_id: str, headers: Mapping[str, str]) -> "RequestSpan":
        """A span within the trace that the `headers` name, if they do."""
        above = self._propagator.extract(headers, Context())
        told = {"url.path": without_secrets(path[:LONGEST_PATH]), "l2r2.request_id": own_id}
        method = method_label(method)
        span = self._tracer.start_span(method, above, SpanKind.SERVER, {"http.request.method": method, **told})
        return RequestSpan(span)

    @contextmanager
    def picture(self, dataset: str | None) -> Iterator["PictureSpan"]:
        """A span within the request's, which hears of the stages."""
        above = _within.get()
        span = self._tracer.start_span("recognize", above, attributes={"l2r2.dataset": dataset or ""})
        own = PictureSpan(self._tracer, span)
        token = stage_seen.set(own.stage) if span.is_recording() else None
        try:
            yield own
        except BaseException as error:
            _failed(span, error.code if isinstance(error, ServiceError) else type(error).__name__)
            raise
        finally:
            if token is not None:
                stage_seen.reset(token)
            span.end()

    def close(self) -> None:
        """Send what is left, if that can be done soon."""
        sending = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        sending.start()
        sending.join(CLOSE_S)


class RequestSpan:
    """Others of the same request lie within it, until it ends."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._token = _within.set(set_span_in_context(span, Context()))

    @property
    def trace_id(self) -> str | None:
        """32 hex digits; None where the trace is not recorded."""
        return format_trace_id(self._span.get_span_context().trace_id) if self._span.is_recording() else None

    def end(self, exchange: Exchange) -> None:
        span = self._span
        span.update_name(f"{method_label(exchange.method)} {exchange.route}")
        span.set_attribute("http.route", exchange.route)
        if exchange.status:
            span.set_attribute("http.response.status_code", exchange.status)
        if exchange.problem:
            span.set_attribute("l2r2.code", exchange.problem[0])
        if exchange.status >= SERVER_ERROR:
            _failed(span, exchange.problem[0] if exchange.problem else str(exchange.status))
        span.end()
        _within.reset(self._token)


class PictureSpan:
    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer, self._span = tracer, span
        self._within = set_span_in_context(span, Context())

    def stage(self, name: str, start_s: float, end_s: float) -> None:
        """A stage that took place; times of `time.perf_counter`."""
        epoch_s = time.time() - time.perf_counter()
        span = self._tracer.start_span(name, self._within, start_time=_ns(epoch_s + start_s))
        span.end(_ns(epoch_s + end_s))

    def take(self, answer: Recognition) -> None:
        verdict = answer.verdict
        told: dict[str, str | float | bool] = {
            "l2r2.branch": verdict.branch,
            "l2r2.fusion": verdict.fusion,
            "l2r2.confidence": verdict.confidence,
            "l2r2.abstained": verdict.abstained,
            "l2r2.fallback": answer.fallback or "",
            "l2r2.cached": answer.cached,
        }
        self._span.set_attributes(told)


def _failed(span: Span, what: str) -> None:
    span.set_attribute("error.type", what)
    span.set_status(Status(StatusCode.ERROR))


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
