import threading
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hash_encoder import HashEncoder, vector_of
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.builder import LEASE_S
from service.datasets.pacing import LOOK_AGAIN_S, MOST_PAUSE_S, PAUSES, PacedEmbedding, Traffic

TEXTS = [f"{'long ' * (number % 3)}{number}" for number in range(133)]


class Stop(threading.Event):
    """Keeps how long it was waited for; nobody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        return self.is_set()


class SlowEncoder:
    """Each text takes `text_s` of its own clock."""

    def __init__(self, text_s: float) -> None:
        self.text_s, self.now_s = text_s, 0.0
        self.pieces: list[int] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.now_s += self.text_s * len(texts)
        self.pieces.append(len(texts))
        return HashEncoder().embed(texts)

    def paced(self, stop: threading.Event, is_busy: Callable[[], bool] = lambda: True) -> PacedEmbedding:
        return PacedEmbedding(self.embed, Traffic(is_busy, clock=lambda: self.now_s), stop, lambda: None)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=200))
def test_every_text_keeps_its_place(texts: list[str]) -> None:
    rows = SlowEncoder(1 / 1024).paced(Stop()).embed(texts)
    assert np.array_equal(rows, np.stack([vector_of(text) for text in texts]))


@pytest.mark.parametrize("busy", [False, True])
def test_requests_take_all_threads_but_one_and_without_them_there_are_no_pauses(busy: bool) -> None:
    stop, asked, pieces = Stop(), [], []
    traffic = Traffic(lambda: busy, asked.append)
    PacedEmbedding(HashEncoder().embed, traffic, stop, lambda: pieces.append(1)).embed(TEXTS)
    assert bool(stop.waits) == busy
    assert asked == [busy] * len(pieces)


@pytest.mark.parametrize(
    ("text_s", "pieces"),
    [(1 / 1024, [8, 16, 32, 64, 13]), (1 / 64, [8] * 16 + [5]), (1 / 8, [8, 4, 2] + [1] * 119), (9.0, [8, 4, 2])],
)
def test_pieces_are_as_large_as_their_time_allows(text_s: float, pieces: list[int]) -> None:
    encoder = SlowEncoder(text_s)
    encoder.paced(Stop()).embed(TEXTS)
    assert encoder.pieces[: len(pieces)] == pieces
    assert sum(encoder.pieces) == len(TEXTS)


def test_pieces_grow_again_and_keep_their_size_from_chunk_to_chunk() -> None:
    encoder = SlowEncoder(1 / 8)
    paced = encoder.paced(Stop())
    paced.embed(TEXTS)
    encoder.pieces, encoder.text_s = [], 1 / 1024
    paced.embed(TEXTS)
    assert encoder.pieces == [1, 2, 4, 8, 16, 32, 64, 6]


def test_beside_requests_each_piece_is_followed_by_a_long_pause() -> None:
    stop = Stop()
    SlowEncoder(1 / 8).paced(stop).embed(TEXTS[:8])
    assert sum(stop.waits) == PAUSES * 1.0
    assert max(stop.waits) <= LOOK_AGAIN_S


def test_no_pause_comes_near_to_a_lease() -> None:
    stop = Stop()
    SlowEncoder(3600).paced(stop).embed(TEXTS[:8])
    assert sum(stop.waits) == MOST_PAUSE_S <= LEASE_S / 6


def test_a_pause_ends_with_the_requests() -> None:
    stop, busy = Stop(), iter([True, True, True, False])
    SlowEncoder(3600).paced(stop, lambda: next(busy)).embed(TEXTS[:8])
    assert len(stop.waits) == 2


def test_a_stop_ends_a_pause() -> None:
    stop = Stop()
    stop.set()
    SlowEncoder(3600).paced(stop).embed(TEXTS[:8])
    assert len(stop.waits) == 1
