"""Counters and histograms of what was asked and answered, in a registry of this application's own."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, ProcessCollector
from prometheus_client.exposition import choose_encoder

from service.errors import ImageTooLarge, ImageTruncated, ImageUnreadable, ImageUnsupported, Overloaded
from service.errors.running import Scarce
from service.observing.answer_metrics import AnswerMetrics, OneDatasets
from service.observing.buckets import SECONDS
from service.observing.exchange import Exchange, Problem
from service.observing.names import DatasetNames, method_label
from service.observing.reading import Reading
from service.observing.state_metrics import StateCollector
from service.recognition.answers import Recognition

STAGES = ("decode", "locate", "views", "embed", "score", "total")
DECODE_ERRORS = tuple(error.code for error in (ImageUnreadable, ImageTruncated, ImageTooLarge, ImageUnsupported))
# What was not done, whatever the picture: to be counted from the start, as what appears late has no rate yet
REFUSED = (
    *(f"{Overloaded.code}_{scarce}" for scarce in get_args(Scarce)),
    *("not_ready", "rate_limited", "unauthorized", "forbidden", "body_too_large", "request_timeout", "head_too_large"),
    *("malformed_request", "protocol_unsupported"),
)
ANSWERED = "answered"


class Metrics:
    """For one event loop, but for `rendered`. Counters are there from the start where their labels are known."""

    def __init__(self, most_datasets: int) -> None:
        registry = self.registry = CollectorRegistry()
        self._names = DatasetNames(most_datasets)
        self._datasets: dict[str, OneDatasets] = {}
        self._coming: dict[str, asyncio.Future[tuple[bytes, str]]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="metrics")  # its own: full pools tell most
        self._requests = Counter(
            "l2r2_requests", "HTTP requests.", ("route", "method", "status", "code"), registry=registry
        )
        self._in_progress = Gauge("l2r2_requests_in_progress", "HTTP requests being answered.", registry=registry)
        self._request_seconds = Histogram(
            "l2r2_request_seconds", "From head to answer.", ("route",), registry=registry, buckets=SECONDS
        )
        self._refusals = Counter("l2r2_refusals", "Requests and pictures refused.", ("reason",), registry=registry)
        self._decode_errors = Counter("l2r2_decode_errors", "Pictures of no use.", ("kind",), registry=registry)
        self._pictures = Counter(
            "l2r2_pictures", "Pictures to be recognized.", ("dataset", "outcome"), registry=registry
        )
        self._stage_seconds = Histogram(
            "l2r2_stage_seconds", "Stages of a picture's way.", ("stage",), registry=registry, buckets=SECONDS
        )
        self._stages = {stage: self._stage_seconds.labels(stage) for stage in STAGES}
        self._answers = AnswerMetrics.in_registry(registry)
        for reason in REFUSED:
            self._refusals.labels(reason)
        for kind in DECODE_ERRORS:
            self._decode_errors.labels(kind)
        ProcessCollector(registry=registry)

    def watch(self, read: Callable[[], Reading]) -> None:
        """`read` is called from another thread, whenever metrics are asked for."""
        self.registry.register(StateCollector(read))

    def began(self) -> None:
        self._in_progress.inc()

    def ended(self, exchange: Exchange) -> None:
        self._in_progress.dec()
        code = exchange.problem[0] if exchange.problem else ""
        status = str(exchange.status or "none")
        self._requests.labels(exchange.route, method_label(exchange.method), status, code).inc()
        exemplar = {"trace_id": exchange.trace_id} if exchange.trace_id else None
        self._request_seconds.labels(exchange.route).observe(exchange.took_s, exemplar)
        if exchange.problem:
            self.problem(exchange.problem)

    def problem(self, problem: Problem) -> None:
        """A refusal or a picture of no use, where it is one: of a request, of a batch's picture, or of a connection."""
        code, reason = problem
        if reason in REFUSED:
            self._refusals.labels(reason).inc()
        elif code in DECODE_ERRORS:
            self._decode_errors.labels(code).inc()

    def answered(self, dataset: str | None, answer: Recognition) -> None:
        label = self._names.label(dataset)
        of = self._datasets.get(label)
        if of is None:
            of = self._datasets[label] = self._answers.of(label)
        of.count(answer)
        self._pictures.labels(label, ANSWERED).inc()
        for stage, took_ms in answer.timings_ms.items():
            self._stages[stage].observe(took_ms / 1000)

    def not_answered(self, dataset: str | None, outcome: str) -> None:
        """`outcome`: the code of what went wrong."""
        self._pictures.labels(self._names.label(dataset), outcome).inc()

    def rendered(self, accept: str) -> tuple[bytes, str]:
        """All of it in the text format that `accept` prefers, with its media type."""
        encode, media_type = _encoder(accept)
        return encode(_WithoutCreated(self.registry)), media_type

    async def rendered_beside(self, accept: str) -> tuple[bytes, str]:
        """The same in a thread of its own; who asks while one is being made has that one, however many ask."""
        _, media_type = _encoder(accept)
        coming = self._coming.get(media_type)
        if coming is None:
            coming = asyncio.get_running_loop().run_in_executor(self._thread, self.rendered, accept)
            self._coming[media_type] = coming
            coming.add_done_callback(lambda _done: self._coming.pop(media_type))
        return await asyncio.shield(coming)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def _encoder(accept: str) -> Any:
    """How to write what `accept` prefers, and its media type; Prometheus' text where that makes no sense."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):
        return choose_encoder("")


class _WithoutCreated(CollectorRegistry):
    """When each series began, a third of all lines, is known to whoever collects them."""

    def __init__(self, whole: CollectorRegistry) -> None:
        super().__init__()
        self._whole = whole

    def collect(self) -> Iterator[Metric]:
        for family in self._whole.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family
