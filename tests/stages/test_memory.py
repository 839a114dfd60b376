"""What is kept of pictures stays within its bytes, and what was used last stays longest."""

import gc
import threading
import tracemalloc
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from service.models.ports import PromptSet
from service.recognition.boxes import Box, Detection
from service.recognition.views import Style
from service.stages.memory import ENTRY_BYTES, Lookups, Memory, size_of
from service.stages.pieces import BoxesOf, FrameOf, MaskOf, ViewOf, packed, unpacked

MODELS = ["localizer 1", "encoder 1"]
MOST = 20_000
PICTURES = [bytes([number]) * 32 for number in range(5)]
PIECES = [ViewOf("full", None, ()), ViewOf("fg", Box(0, 0, 1, 1), (0.0,)), ViewOf("fg", Box(0, 0, 1, 1), (0.5,))]


def row(length: int) -> np.ndarray:
    return np.ones(length, np.float32)


class KeepsTheLastUsed(RuleBasedStateMachine):
    """Against a plain list in the order of use."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory(MOST, MODELS)
        self.expected: OrderedDict[tuple[bytes, ViewOf], np.ndarray] = OrderedDict()
        self.asked = [0, 0]  # hits, misses

    @rule(picture=st.sampled_from(PICTURES), piece=st.sampled_from(PIECES), length=st.integers(1, 2500))
    def keep(self, picture: bytes, piece: ViewOf, length: int) -> None:
        value = row(length)
        self.memory.keep(picture, piece, value)
        self.expected.pop((picture, piece), None)
        self.expected[picture, piece] = value
        while sum(map(self.cost, self.expected)) > MOST:
            self.expected.popitem(last=False)

    @rule(picture=st.sampled_from(PICTURES), piece=st.sampled_from(PIECES))
    def recall(self, picture: bytes, piece: ViewOf) -> None:
        known = self.memory.recall(picture, piece)
        assert known is self.expected.get((picture, piece))
        self.asked[known is None] += 1
        if known is not None:
            self.expected.move_to_end((picture, piece))

    @precondition(lambda self: self.expected)
    @rule()
    def forget(self) -> None:
        self.memory.forget()
        self.expected.clear()
        self.asked = [0, 0]

    @invariant()
    def is_within_its_bytes(self) -> None:
        state = self.memory.state()
        assert (state.entries, state.bytes) == (len(self.expected), sum(map(self.cost, self.expected)))
        assert state.bytes <= state.max_bytes == MOST
        assert state.lookups["views"] == Lookups(*self.asked)
        assert state.lookups["boxes"] == Lookups()

    def cost(self, key: tuple[bytes, ViewOf]) -> int:
        return ENTRY_BYTES + size_of(key[0]) + size_of(key[1]) + size_of(self.expected[key])


TestKeepsTheLastUsed = KeepsTheLastUsed.TestCase
TestKeepsTheLastUsed.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_what_is_larger_than_all_of_it_is_not_kept_and_drives_nothing_out() -> None:
    memory = Memory(MOST, MODELS)
    memory.keep(PICTURES[0], PIECES[0], row(10))
    memory.keep(PICTURES[1], PIECES[0], row(MOST))
    assert memory.recall(PICTURES[0], PIECES[0]) is not None
    assert memory.recall(PICTURES[1], PIECES[0]) is None


def test_a_memory_of_no_bytes_keeps_and_counts_nothing() -> None:
    memory = Memory(0, MODELS)
    memory.keep(PICTURES[0], FrameOf(), row(1))
    assert memory.recall(PICTURES[0], FrameOf()) is None
    assert memory.name_of(b"picture") == b""
    state = memory.state()
    assert (state.entries, state.bytes, state.max_bytes) == (0, 0, 0)
    assert set(state.lookups.values()) == {Lookups()}


def test_a_pictures_name_depends_on_its_bytes_and_on_every_model() -> None:
    data = [b"one", b"two"]
    models = [MODELS, ["localizer 2", "encoder 1"], ["localizer 1", "encoder 2"], ["localizer 1", "1", "encoder 1"]]
    names = [Memory(1, names).name_of(picture) for names in models for picture in data]
    assert len(set(names)) == len(names)
    assert Memory(9, MODELS).name_of(b"one") == names[0]


def fill(memory: Memory, kind: str, count: int) -> None:
    """With pieces of different pictures."""
    for number in range(count):
        box = Box(0.5 + number, 0.25 * number, 1e3 + number, 1e3 + number)
        picture = number.to_bytes(32, "big")
        if kind == "views":
            memory.keep(picture, ViewOf("fg", box, ((number, 0, 0), number / 3)), row(64))
        else:
            mask = np.full((64, 64), number % 256, np.uint8) if kind == "masked boxes" else None
            found = Detection(box, 1 / (number + 1), f"prompt {number}", mask)
            memory.keep(picture, BoxesOf(PromptSet((f"prompt {number}",))), packed([found] * 2))


def bytes_taken_from_here() -> int:
    """And in what is called from here: other tests' threads may still be ending, and take memory of their own."""
    only = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, __file__, all_frames=True)])
    return sum(trace.size for trace in only.traces)


@pytest.mark.parametrize("kind", ["views", "boxes", "masked boxes"])
def test_the_bytes_that_are_counted_are_at_least_those_that_are_taken(kind: str) -> None:
    most = 2**18
    fill(Memory(most, MODELS), kind, 1)
    tracemalloc.start(8)
    try:
        memory = Memory(most, MODELS)
        fill(memory, kind, 400)
        gc.collect()  # also what the interpreter holds back for new objects
        taken = bytes_taken_from_here()
    finally:
        tracemalloc.stop()
    state = memory.state()
    assert state.entries < 400
    assert taken <= state.bytes <= most
    assert state.bytes > most * 0.9
    assert taken > most / 2  # and not so many more that little is kept


def test_many_threads_may_use_it_at_once() -> None:
    memory = Memory(MOST, MODELS)

    def use(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(300):
            picture, piece = PICTURES[random.integers(5)], PIECES[random.integers(3)]
            if memory.recall(picture, piece) is None:
                memory.keep(picture, piece, row(int(random.integers(1, 2000))))

    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = memory.state()
    assert state.lookups["views"].hits + state.lookups["views"].misses == 6 * 300
    assert 0 < state.bytes <= MOST
    for picture in PICTURES:
        for piece in PIECES:
            memory.keep(picture, piece, row(MOST // 5))
    assert memory.state().bytes <= MOST


detections = st.builds(
    Detection,
    st.just(Box(0, 1, 2, 3)),
    st.floats(0, 1),
    st.sampled_from([None, "cat"]),
    st.none() | st.integers(1, 9).map(lambda side: np.arange(side * 5, dtype=np.uint8).reshape(side, 5)),
    st.booleans(),
)


@settings(max_examples=30)
@given(st.lists(detections, max_size=3))
def test_detections_are_unpacked_as_they_were_packed(found: list[Detection]) -> None:
    again = unpacked(packed(found))
    assert list(again) == found
    for one, other in zip(again, found, strict=True):
        assert (one.mask is None) == (other.mask is None)
        assert one.mask is None or (np.array_equal(one.mask, other.mask) and one.mask.dtype == np.uint8)


def test_a_views_key_tells_apart_all_that_the_view_depends_on_and_nothing_else() -> None:
    found = Detection(Box(0, 0, 4, 4), 0.5, mask=np.zeros((2, 2), np.uint8))
    other = Detection(Box(0, 0, 4, 4), 0.7, "cat", np.ones((2, 2), np.uint8))
    plain, padded, blurred = Style(), Style(pad=(1, 2, 3)), Style(blur=0.3)

    def key(name: str, of: Detection | None, style: Style) -> ViewOf:
        return ViewOf.seen(name, of, None if of is None else MaskOf.made_from(of), style)

    assert key("full", found, plain) == key("full", None, padded)
    assert key("fg", found, plain) == key("fg", other, blurred)
    assert key("fg", found, plain) != key("fg", found, padded)
    assert key("fg_mask", found, plain) != key("fg_mask", other, plain)
    assert key("full_blur", found, plain) == key("full_blur", found, padded)
    assert key("full_blur", found, plain) != key("full_blur", found, blurred)
    assert len({key(name, found, plain) for name in ("full", "fg", "fg_mask", "bg_box", "center_crop")}) == 5
