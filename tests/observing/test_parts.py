"""Labels, comparisons of views, and the state of the parts, each by itself."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from observing.scraped import numbers_of, total  # type: ignore[import-not-found]
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from service.api import classify, datasets, health, versions
from service.api.route_names import RouteNames
from service.batch_record import WorkerHealth
from service.batching import Batcher
from service.images.decoder_state import DecoderState
from service.models.device_memory import device_bytes
from service.models.hardware import Hardware
from service.observing.agreement import AGREEMENTS, comparison_of
from service.observing.answer_metrics import AnswerMetrics
from service.observing.names import AD_HOC, OTHER, DatasetNames
from service.observing.reading import Reading
from service.observing.state_metrics import BATCH_BUCKETS, StateCollector
from service.recognition.answers import FALLBACKS, Branch, Cascade, Recognition, Score, Verdict

NAMES = st.sampled_from([f"name{number}" for number in range(12)])


@given(most=st.integers(0, 5), asked=st.lists(st.none() | NAMES, max_size=40))
def test_so_many_datasets_are_told_apart_and_each_keeps_its_label(most: int, asked: list[str | None]) -> None:
    names = DatasetNames(most)
    labels = [names.label(name) for name in asked]
    assert len(set(labels) - {AD_HOC, OTHER}) <= most
    first: dict[str | None, str] = {}
    for name, label in zip(asked, labels, strict=True):
        assert first.setdefault(name, label) == label
        assert label in ((AD_HOC,) if name is None else (name, OTHER))
    known = list(dict.fromkeys(name for name in asked if name is not None))
    assert all(first[name] == name for name in known[:most])


def test_routes_are_known_by_their_patterns() -> None:
    names = RouteNames([classify.router, datasets.router, versions.router, health.router])
    assert names.of("/classify") == "/classify"
    assert names.of("/datasets/pets") == "/datasets/{name}"
    assert names.of("/datasets/pets/versions") == "/datasets/{name}/versions"
    for strange in ("/classify/", "/datasets/pets/versions/x", "", "/", "//classify", "/datasets/a\nb/c"):
        assert names.of(strange) == "other"


def branch(label: str, confidence: float) -> Branch:
    return Branch(label, confidence, (Score(label, confidence),))


def verdict(branches: Mapping[str, Branch | None], abstained: bool = False, presence: float = 0.2) -> Verdict:
    shown = {name: entry for name, entry in branches.items() if entry is not None}
    name = max(shown, key=lambda entry: shown[entry].confidence)
    best = shown[name]
    label = None if abstained else best.label
    return Verdict(label, best.confidence, name, "max_confidence", "", presence, abstained, best.scores, branches)


CONFIDENCES = st.floats(0, 1, width=32)
BRANCHES = st.dictionaries(
    st.sampled_from(["full", "fg", "fg_mask"]),
    st.none() | st.builds(branch, st.sampled_from(["cat", "dog"]), CONFIDENCES),
).filter(lambda branches: any(branches.values()))


@given(branches=BRANCHES)
def test_views_are_compared(branches: dict[str, Branch | None]) -> None:
    shown = [entry for entry in branches.values() if entry is not None]
    found = comparison_of(verdict(branches))
    if len(shown) == 1:
        assert (found.agreement, found.margin) == ("alone", None)
        return
    assert (found.agreement == "agree") == (len({entry.label for entry in shown}) == 1)
    assert found.margin is not None
    assert all(found.margin <= abs(shown[0].confidence - entry.confidence) for entry in shown[1:]) or len(shown) > 2
    assert 0 <= found.margin <= 1


ANSWERS = st.builds(
    lambda branches, abstained, fallback, cached, stopped, presence: Recognition(
        verdict(branches, abstained, presence), fallback, (), 1, 1, {}, cached=cached,
        cascade=None if stopped is None else Cascade("full", 0.5, stopped),
    ),
    BRANCHES, st.booleans(), st.none() | st.sampled_from(FALLBACKS), st.booleans(), st.none() | st.booleans(),
    st.floats(-1, 1),
)  # fmt: skip


@settings(max_examples=30)
@given(answers=st.lists(st.tuples(st.sampled_from(["pets", "sites"]), ANSWERS), max_size=20))
def test_every_answer_is_counted_once_in_everything_that_it_has(answers: list[tuple[str, Recognition]]) -> None:
    registry = CollectorRegistry()
    metrics = AnswerMetrics.in_registry(registry)
    series = {name: metrics.of(name) for name in ("pets", "sites")}
    for name, answer in answers:
        series[name].count(answer)
    numbers = numbers_of(generate_latest(registry).decode())
    for name in series:
        own = [answer for other, answer in answers if other == name]
        compared = [comparison_of(answer.verdict) for answer in own]
        assert total(numbers, "l2r2_answers_total", dataset=name) == len(own)
        for reason in FALLBACKS:
            counted = total(numbers, "l2r2_fallbacks_total", dataset=name, reason=reason)
            assert counted == sum(answer.fallback == reason for answer in own)
        for views in AGREEMENTS:
            counted = total(numbers, "l2r2_agreements_total", dataset=name, views=views)
            assert counted == sum(entry.agreement == views for entry in compared)
        margins = [entry.margin for entry in compared if entry.margin is not None]
        assert total(numbers, "l2r2_branch_margin_count", dataset=name) == len(margins)
        assert total(numbers, "l2r2_branch_margin_sum", dataset=name) == pytest.approx(sum(margins))
        assert total(numbers, "l2r2_abstentions_total", dataset=name) == sum(it.verdict.abstained for it in own)
        assert total(numbers, "l2r2_cached_answers_total", dataset=name) == sum(it.cached for it in own)
        for stopped in (True, False):
            counted = total(numbers, "l2r2_cascades_total", dataset=name, stopped="yes" if stopped else "no")
            assert counted == sum(it.cascade is not None and it.cascade.stopped == stopped for it in own)


def reading(**parts: object) -> Reading:
    return Reading(True, True, False, bodies_bytes=7, places=256, canary_interval_s=10.0, **parts)  # type: ignore[arg-type]


def numbers_of_state(state: Reading) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    registry = CollectorRegistry()
    registry.register(StateCollector(lambda: state))
    return numbers_of(generate_latest(registry).decode())  # type: ignore[no-any-return]


@given(sizes=st.dictionaries(st.integers(1, 2000), st.integers(1, 1000), max_size=8))
def test_batch_sizes_are_a_histogram(sizes: dict[int, int]) -> None:
    items = sum(size * count for size, count in sizes.items())
    worker = WorkerHealth(True, 3, 0.0, batches=sum(sizes.values()), items=items, batch_sizes=sizes)
    numbers = numbers_of_state(reading(workers={"encoder": worker}))
    assert total(numbers, "l2r2_worker_batch_items_count", worker="encoder") == sum(sizes.values())
    assert total(numbers, "l2r2_worker_batch_items_sum") == items
    assert total(numbers, "l2r2_worker_queue_items", worker="encoder") == 3
    for bound in BATCH_BUCKETS:
        counted = total(numbers, "l2r2_worker_batch_items_bucket", le=str(float(bound)))
        assert counted == sum(count for size, count in sizes.items() if size <= bound)


def test_the_parts_beside_the_models_are_told_of() -> None:
    building = WorkerHealth(True, 2, 1.5)
    numbers = numbers_of_state(reading(building=building, decoders=DecoderState(4, 3, 9), device_bytes={"used": 5}))
    assert total(numbers, "l2r2_builds") == 3
    assert (total(numbers, "l2r2_decoders"), total(numbers, "l2r2_decoders_alive")) == (4, 3)
    assert total(numbers, "l2r2_decoders_replaced_total") == 9
    assert total(numbers, "l2r2_device_memory_bytes", kind="used") == 5


def test_a_batcher_counts_its_batches_by_size() -> None:
    batcher: Batcher[int, int] = Batcher("echo", list, max_batch=4, max_waiting=100)
    futures = [batcher.submit(number) for number in range(50)]
    assert [future.result(20) for future in futures] == list(range(50))
    health = batcher.health()
    assert batcher.close(20)
    assert sum(size * count for size, count in health.batch_sizes.items()) == health.items == 50
    assert sum(health.batch_sizes.values()) == health.batches
    assert max(health.batch_sizes) <= 4


def test_processors_memory_is_this_process_and_the_machines() -> None:
    found = device_bytes(Hardware("cpu", False, 1))
    assert 10 * 2**20 < found["used"] < found["total"]
