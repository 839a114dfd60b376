"""Where the edges tell what happens: metrics and traces hear of it, if they are on."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from service.errors import ServiceError
from service.observing.exchange import Exchange, Problem
from service.recognition.answers import Recognition

if TYPE_CHECKING:
    from service.observing.metrics import Metrics
    from service.observing.tracing import RequestSpan, Tracing

GONE = "caller_gone"
Take = Callable[[Recognition], None]


class ObservedRequest:
    """One request, from its head to the end of its answer."""

    def __init__(self, metrics: "Metrics | None", span: "RequestSpan | None") -> None:
        self._metrics, self._span, self._began_s = metrics, span, time.perf_counter()
        if metrics is not None:
            metrics.began()

    @property
    def trace_id(self) -> str | None:
        """Of a trace that is recorded."""
        return self._span.trace_id if self._span is not None else None

    def end(self, method: str, route: str, status: int, problem: Problem | None) -> Exchange:
        took_s = time.perf_counter() - self._began_s
        exchange = Exchange(method, route, status, took_s, problem, self.trace_id)
        if self._metrics is not None:
            self._metrics.ended(exchange)
        if self._span is not None:
            self._span.end(exchange)
        return exchange


class Observer:
    """Without metrics and traces it costs next to nothing."""

    def __init__(self, metrics: "Metrics | None" = None, tracing: "Tracing | None" = None) -> None:
        self.metrics, self.tracing = metrics, tracing

    def request(self, method: str, path: str, own_id: str, headers: Mapping[str, str]) -> ObservedRequest:
        """To be ended by whoever calls this. `headers`: those of the W3C's trace context."""
        span = None if self.tracing is None else self.tracing.request(method, path, own_id, headers)
        return ObservedRequest(self.metrics, span)

    @contextmanager
    def picture(self, dataset: str | None) -> Iterator[Take]:
        """Around all that is done for one picture; what comes of it is told to what this gives."""
        with ExitStack() as stack:
            span = None if self.tracing is None else stack.enter_context(self.tracing.picture(dataset))

            def take(answer: Recognition) -> None:
                if self.metrics is not None:
                    self.metrics.answered(dataset, answer)
                if span is not None:
                    span.take(answer)

            try:
                yield take
            except BaseException as error:
                if self.metrics is not None:
                    self.metrics.not_answered(dataset, _outcome(error))
                raise

    def problem(self, error: ServiceError) -> None:
        """Of a picture among others, or of a connection without a request."""
        if self.metrics is not None:
            self.metrics.problem((error.code, error.counted_as))

    def close(self) -> None:
        if self.metrics is not None:
            self.metrics.close()
        if self.tracing is not None:
            self.tracing.close()


def _outcome(error: BaseException) -> str:
    if isinstance(error, ServiceError):
        return error.code
    return GONE if isinstance(error, asyncio.CancelledError) else ServiceError.code
