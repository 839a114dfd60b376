"""A reading as metrics, made when they are asked for."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

import service
from service.batch_record import WorkerHealth
from service.observing.reading import Reading
from service.stages.memory import MemoryState

BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
INFINITY = "+Inf"


class StateCollector(Collector):
    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        reading = self._read()
        yield from _service(reading)
        yield from _workers(reading.workers)
        yield from _beside_the_models(reading)
        if reading.memory is not None:
            yield from _memory(reading.memory)


def _service(reading: Reading) -> Iterator[Metric]:
    labels = {"version": service.__version__, **reading.models}
    yield _gauge("l2r2_info", "Version, and what is loaded.", [(labels, 1)], tuple(labels))
    yield _gauge("l2r2_ready", "1 where /readyz says 200.", [({}, reading.ready)])
    yield _gauge("l2r2_live", "1 where /livez says 200.", [({}, reading.alive)])
    yield _gauge("l2r2_draining", "1 once the service is stopping.", [({}, reading.draining)])
    yield _gauge("l2r2_bodies_bytes", "Request bodies that are held.", [({}, reading.bodies_bytes)])
    yield _gauge("l2r2_places", "Most pictures that may be recognized or wait for it.", [({}, reading.places)])
    yield _gauge("l2r2_places_taken", "Pictures that are recognized or wait for it.", [({}, reading.inside)])
    yield _gauge("l2r2_canary_interval_seconds", "How often idle models are tried.", [({}, reading.canary_interval_s)])
    yield _gauge(
        "l2r2_canary_failing_seconds",
        "How long the canary has failed; 0: it has not.",
        [({}, reading.canary_failing_s)],
    )
    yield _gauge("l2r2_canary_age_seconds", "Since all models were last seen to work.", _known(reading.canary_age_s))
    yield _gauge(
        "l2r2_expected_seconds", "How long a further picture is expected to take, doubled.", _known(reading.expected_s)
    )


def _known(value: float | None) -> list[tuple[dict[str, str], float]]:
    return [] if value is None else [({}, value)]


def _workers(workers: Mapping[str, WorkerHealth]) -> Iterator[Metric]:
    def rows(value: Callable[[WorkerHealth], float]) -> list[tuple[dict[str, str], float]]:
        return [({"worker": name}, value(worker)) for name, worker in workers.items()]

    of = ("worker",)
    yield _gauge("l2r2_worker_alive", "1 while a model's worker thread lives.", rows(lambda it: it.alive), of)
    yield _gauge("l2r2_worker_queue_items", "Items that wait for a model.", rows(lambda it: it.waiting), of)
    yield _gauge(
        "l2r2_worker_running_seconds", "How long its present batch has run.", rows(lambda it: it.running_for_s), of
    )
    yield _gauge(
        "l2r2_worker_success_age_seconds", "Since a batch of it went well.", rows(lambda it: it.succeeded_ago_s), of
    )
    yield _gauge("l2r2_worker_failures", "Calls in a row that failed.", rows(lambda it: it.failures), of)
    sizes = HistogramMetricFamily("l2r2_worker_batch_items", "Items in one call of a model.", labels=of)
    for name, worker in workers.items():
        sizes.add_metric([name], _cumulated(worker.batch_sizes), worker.items)
    yield sizes


def _cumulated(sizes: Mapping[int, int]) -> list[tuple[str, float]]:
    counted = [
        (str(float(bound)), sum(count for size, count in sizes.items() if size <= bound)) for bound in BATCH_BUCKETS
    ]
    return [*counted, (INFINITY, sum(sizes.values()))]


def _beside_the_models(reading: Reading) -> Iterator[Metric]:
    if reading.building is not None:
        waiting = reading.building.waiting + (reading.building.running_for_s > 0)
        yield _gauge("l2r2_builds", "Class lists that are built, or wait for it.", [({}, waiting)])
    if reading.decoders is not None:
        state = reading.decoders
        yield _gauge("l2r2_decoders", "Decoder processes that there should be.", [({}, state.wanted)])
        yield _gauge("l2r2_decoders_alive", "Decoder processes that live.", [({}, state.alive)])
        replaced = CounterMetricFamily("l2r2_decoders_replaced", "Decoder processes that were replaced.")
        replaced.add_metric([], state.replaced)
        yield replaced
    rows = [({"kind": kind}, count) for kind, count in reading.device_bytes.items()]
    yield _gauge("l2r2_device_memory_bytes", "Memory of the models' device.", rows, ("kind",))


def _memory(memory: MemoryState) -> Iterator[Metric]:
    yield _gauge("l2r2_cache_entries", "Pieces kept of pictures seen before.", [({}, memory.entries)])
    yield _gauge("l2r2_cache_bytes", "Memory that they take.", [({}, memory.bytes)])
    yield _gauge("l2r2_cache_max_bytes", "Most memory that they may take.", [({}, memory.max_bytes)])
    lookups = CounterMetricFamily("l2r2_cache_lookups", "How often a piece was looked up.", labels=("kind", "found"))
    for kind, counts in memory.lookups.items():
        lookups.add_metric([str(kind), "yes"], counts.hits)
        lookups.add_metric([str(kind), "no"], counts.misses)
    yield lookups


def _gauge(
    name: str, meaning: str, rows: Iterable[tuple[Mapping[str, str], float]], labels: tuple[str, ...] = ()
) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, number in rows:
        family.add_metric([values[label] for label in labels], float(number))
    return family
