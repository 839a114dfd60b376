"""Class lists of requests: embedded once for all who ask, kept within a bound, given up when nobody waits."""

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np
import pytest
from hash_encoder import HashEncoder  # type: ignore[import-not-found]
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.adhoc import AdhocDatasets
from service.datasets.adhoc_kept import KeptLists, bytes_of
from service.datasets.adhoc_list import AdhocLimits, AdhocList
from service.datasets.fingerprints import version_of
from service.datasets.pacing import TextPace
from service.datasets.prototypes import DatasetEncoder, unsaved_dataset
from service.datasets.records import Dataset
from service.datasets.spec import ClassEntry, DatasetSpec
from service.errors import DeadlineExceeded, InvalidFields, ModelFailed, NotReady, Overloaded
from service.turns import Turns

pytestmark = pytest.mark.anyio
WAIT_S = 20
Start = Callable[..., AdhocDatasets]


def spec_of(*names: str, templates: Sequence[str] = ("A photo of a {}",)) -> DatasetSpec:
    return DatasetSpec(tuple(map(ClassEntry, names)), tuple(templates))


def asked_for(*names: str) -> AdhocList:
    return AdhocList(spec_of(*names))


@pytest.fixture
def encoder() -> HashEncoder:
    return HashEncoder()


@pytest.fixture
async def start(encoder: HashEncoder) -> AsyncIterator[Start]:
    started: list[AdhocDatasets] = []

    def start_one(
        clock: Callable[[], float] = time.monotonic, turn: Turns | None = None, **limits: int
    ) -> AdhocDatasets:
        port = DatasetEncoder("hash", "r1", encoder.embed)

        def embed(texts: Sequence[str], turn: AbstractContextManager[object]) -> np.ndarray:
            with turn:
                return encoder.embed(texts)

        started.append(AdhocDatasets(port, embed, AdhocLimits(**limits), turn, clock))
        return started[-1]

    yield start_one
    encoder.gate.set()
    for adhoc in started:
        assert await asyncio.to_thread(adhoc.close, WAIT_S)


def asking(adhoc: AdhocDatasets, *names: str, left_s: float = WAIT_S) -> "asyncio.Task[Dataset]":
    return asyncio.ensure_future(adhoc.dataset(asked_for(*names), left_s))


async def entered(encoder: HashEncoder) -> None:
    """Until a call of the encoder has begun."""
    assert await asyncio.to_thread(encoder.entered.acquire, True, WAIT_S)


async def until_waiting(adhoc: AdhocDatasets, count: int) -> None:
    while adhoc.health().waiting < count:
        await asyncio.sleep(0)


async def test_a_list_is_what_a_registered_one_would_be(start: Start, encoder: HashEncoder) -> None:
    spec = DatasetSpec((ClassEntry("dog"), ClassEntry("cat", ("my cat", "a cat"))), ("a {}", "the {}"))
    found = await start().dataset(AdhocList(spec), WAIT_S)
    expected = unsaved_dataset(spec, HashEncoder().embed)
    assert (found.version, found.labels, found.spec) == (version_of(spec), ("dog", "cat"), spec)
    assert np.array_equal(found.prototypes, expected.prototypes)


async def test_a_list_that_was_seen_before_costs_nothing(start: Start, encoder: HashEncoder) -> None:
    adhoc = start()
    first = await adhoc.dataset(asked_for("dog", "cat"), WAIT_S)
    assert await adhoc.dataset(asked_for("dog", "cat"), WAIT_S) is first
    assert await adhoc.dataset(asked_for("cat", "dog"), WAIT_S) is not first
    assert len(encoder.calls) == 2
    state = adhoc.state()
    assert (state.entries, state.hits, state.misses) == (2, 1, 2)
    assert 0 < state.bytes <= state.max_bytes


async def test_what_many_ask_for_at_once_is_embedded_once(start: Start, encoder: HashEncoder) -> None:
    adhoc = start()
    encoder.gate.clear()
    tasks = [asking(adhoc, "dog", "cat") for _ in range(50)]
    await entered(encoder)
    tasks += [asking(adhoc, "dog", "cat") for _ in range(50)]
    await asyncio.sleep(0)  # all of them wait, and the event loop goes on
    encoder.gate.set()
    found = await asyncio.gather(*tasks)
    assert len(set(map(id, found))) == 1
    assert len(encoder.calls) == 1


async def test_who_leaves_or_is_late_leaves_the_others_alone(start: Start, encoder: HashEncoder) -> None:
    adhoc = start()
    encoder.gate.clear()
    first, late, patient = asking(adhoc, "dog"), asking(adhoc, "dog", left_s=0.05), asking(adhoc, "dog")
    await entered(encoder)
    first.cancel()
    with pytest.raises(DeadlineExceeded, match="within 50 ms"):
        await late
    with pytest.raises(asyncio.CancelledError):
        await first
    encoder.gate.set()
    assert (await patient).labels == ("dog",)


async def test_what_nobody_waits_for_any_longer_is_not_embedded(start: Start, encoder: HashEncoder) -> None:
    adhoc = start()
    encoder.gate.clear()
    running = asking(adhoc, "dog")
    await entered(encoder)
    leaving = [asking(adhoc, "cat"), asking(adhoc, "cat")]
    await until_waiting(adhoc, 1)
    for task in leaving:
        task.cancel()
    await asyncio.wait(leaving)
    encoder.gate.set()
    await running
    await adhoc.dataset(asked_for("bird"), WAIT_S)
    assert encoder.texts == ["A photo of a dog", "A photo of a bird"]


async def test_what_is_embedded_when_the_last_leaves_ends_with_its_piece(start: Start, encoder: HashEncoder) -> None:
    adhoc = start()
    encoder.gate.clear()
    names = [f"class {number}" for number in range(1000)]
    leaving = asking(adhoc, *names)
    await entered(encoder)
    leaving.cancel()
    await asyncio.wait([leaving])
    del leaving
    unnoticed: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unnoticed.append(context))
    encoder.gate.set()
    await adhoc.dataset(asked_for("dog"), WAIT_S)
    gc.collect()
    assert (len(encoder.calls), unnoticed) == (2, [])
    assert adhoc.health().failures == 0, "nobody's fault"
    assert (await adhoc.dataset(asked_for(*names), WAIT_S)).labels == tuple(names), "it may come again"


async def test_who_comes_back_in_time_finds_it_going_on(start: Start, encoder: HashEncoder) -> None:
    adhoc = start()
    encoder.gate.clear()
    names = [f"class {number}" for number in range(200)]
    leaving = asking(adhoc, *names)
    await entered(encoder)
    leaving.cancel()
    await asyncio.wait([leaving])
    back = asking(adhoc, *names)
    await asyncio.sleep(0)
    encoder.gate.set()
    assert len((await back).labels) == 200
    assert len(encoder.texts) == 200


async def test_more_lists_than_may_wait_are_refused(start: Start, encoder: HashEncoder) -> None:
    adhoc = start(max_waiting=3)
    encoder.gate.clear()
    running = asking(adhoc, "running")
    await entered(encoder)
    waiting = [asking(adhoc, f"waiting {number}") for number in range(3)]
    await until_waiting(adhoc, 3)
    with pytest.raises(Overloaded) as caught:
        await adhoc.dataset(asked_for("one more"), WAIT_S)
    assert caught.value.retry_after_s
    joining = asking(adhoc, "waiting 1")
    await asyncio.sleep(0)
    encoder.gate.set()
    assert len(await asyncio.gather(running, joining, *waiting)) == 5


async def test_what_would_come_too_late_is_refused_at_once(start: Start, encoder: HashEncoder) -> None:
    now_s = [0.0]
    adhoc = start(clock=lambda: now_s[0])
    encoder.gate.clear()
    known = asking(adhoc, "dog", "cat")
    await entered(encoder)
    now_s[0] = 10.0  # for two texts
    encoder.gate.set()
    await known
    encoder.gate.clear()
    first = asking(adhoc, "bird", left_s=WAIT_S)  # nothing is ahead of it: whatever the pace, it is let in
    await entered(encoder)
    with pytest.raises(Overloaded, match=r"would take 20.0 s, and 19.0 s are left") as caught:
        await adhoc.dataset(asked_for("horse"), 19.0)
    assert caught.value.retry_after_s == 1
    patient = asking(adhoc, "horse", left_s=21.0)
    encoder.gate.set()
    await asyncio.gather(first, patient)


async def test_a_text_encoder_that_fails_fails_those_who_asked(start: Start, encoder: HashEncoder) -> None:
    adhoc = start()
    encoder.fails_on = "dog"
    both = await asyncio.gather(asking(adhoc, "dog"), asking(adhoc, "dog"), return_exceptions=True)
    assert {type(outcome) for outcome in both} == {ModelFailed}
    assert (await adhoc.dataset(asked_for("cat"), WAIT_S)).labels == ("cat",)
    encoder.fails_on = None
    assert (await adhoc.dataset(asked_for("dog"), WAIT_S)).labels == ("dog",)


async def test_pieces_have_turns_with_others(start: Start, encoder: HashEncoder) -> None:
    """What waits for a turn is no call that takes long, and what the encoder does is."""
    turn, now_s = Turns(), [100.0]
    adhoc = start(clock=lambda: now_s[0], turn=turn)
    encoder.gate.clear()
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with turn:
            held.set()
            assert free.wait(WAIT_S)

    other = threading.Thread(target=hold)
    other.start()
    assert await asyncio.to_thread(held.wait, WAIT_S)
    task = asking(adhoc, *(f"class {number}" for number in range(65)))
    while not turn.waiting:
        await asyncio.sleep(0)
    now_s[0] = 160.0
    assert (adhoc.health().running_for_s, encoder.calls) == (0.0, [])
    free.set()
    await entered(encoder)
    now_s[0] = 190.0
    assert adhoc.health().running_for_s == 30.0
    encoder.gate.set()
    assert len((await task).labels) == 65
    assert (adhoc.health().running_for_s, [len(call) for call in encoder.calls]) == (0.0, [8, 16, 32, 9])
    other.join(WAIT_S)


async def test_a_closed_one_takes_no_more(start: Start) -> None:
    adhoc = start()
    assert await asyncio.to_thread(adhoc.close, WAIT_S)
    with pytest.raises(NotReady):
        await adhoc.dataset(asked_for("dog"), WAIT_S)


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        (spec_of("a", "b", "c", "d"), "classes", "holds 4 classes; at most 3 in a request; register"),
        (spec_of("a", "b", "c", templates=("a {}", "b {}")), "classes", "make 6 texts; at most 5 in a request"),
        (DatasetSpec((ClassEntry("a", ("x",) * 6),)), "classes", "make 6 texts; at most 5"),
        (DatasetSpec((ClassEntry("a"), ClassEntry("b", (), ("0" * 64,)))), "classes[1].images", "registered dataset"),
    ],
)
async def test_what_does_not_come_with_a_request(start: Start, spec: DatasetSpec, field: str, words: str) -> None:
    adhoc = start(max_classes=3, max_texts=5)
    with pytest.raises(InvalidFields) as caught:
        adhoc.listed(spec)
    [problem] = caught.value.problems
    assert (problem.field, words in problem.detail) == (field, True), problem
    assert adhoc.listed(spec_of("a", "b", "c")).text_count == 3


def made(name: str, classes: int) -> Dataset:
    spec = spec_of(*(f"{name} {number}" for number in range(classes)))
    return Dataset(name, spec, spec.labels, np.zeros((classes, 8), np.float32))


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 6), st.booleans()), max_size=30),
    st.integers(0, 12_000),
)
def test_the_kept_are_the_last_used_that_fit(steps: list[tuple[str, int, bool]], max_bytes: int) -> None:
    """Against a list in the order of use."""
    kept, model = KeptLists(max_bytes), dict[str, Dataset]()
    for name, classes, asks in steps:
        if asks:
            assert kept.get(name) is model.get(name)
            if name in model:
                model[name] = model.pop(name)
            continue
        dataset = made(name, classes)
        kept.keep(dataset)
        if bytes_of(dataset) <= max_bytes:
            model.pop(name, None)
            model[name] = dataset
        while sum(map(bytes_of, model.values())) > max_bytes:
            del model[next(iter(model))]
        state = kept.state()
        assert (state.entries, state.bytes) == (len(model), sum(map(bytes_of, model.values())))
        assert state.bytes <= max_bytes


def test_texts_count_as_well_as_prototypes() -> None:
    long = DatasetSpec((ClassEntry("a", ("x" * 1000,) * 1),))
    rows = np.zeros((1, 8), np.float32)
    assert bytes_of(Dataset("v", long, long.labels, rows)) > bytes_of(made("a", 1)) + 900


def test_the_pace_of_texts_follows_the_last_lists() -> None:
    pace = TextPace()
    assert pace.text_s is None
    pace.add(10, 1.0)
    assert pace.text_s == pytest.approx(0.1)
    for _ in range(20):
        pace.add(10, 5.0)
    assert pace.text_s == pytest.approx(0.5, rel=0.02)


async def test_lists_of_many_threads_loops_do_not_disturb_each_other(start: Start, encoder: HashEncoder) -> None:
    """Callers may live in several event loops, as in-process callers do."""
    adhoc, names = start(), ("dog", "cat", "bird")
    found: list[Dataset] = []

    def ask_often() -> None:
        async def ask() -> None:
            found.extend(await asyncio.gather(*(adhoc.dataset(asked_for(name), WAIT_S) for name in names * 5)))

        asyncio.run(ask())

    threads = [threading.Thread(target=ask_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join, WAIT_S)
    assert len(found) == 4 * 15
    assert len({id(dataset) for dataset in found}) == len(encoder.calls) == 3
