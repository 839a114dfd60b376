import threading
from collections.abc import Sequence

import numpy as np
from hash_encoder import HashEncoder, vector_of
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.pacing import PAUSES, PIECE_TEXTS, Traffic, embed_paced

TEXTS = [f"{'long ' * (number % 3)}{number}" for number in range(PIECE_TEXTS * 2 + 5)]


class Stop(threading.Event):
    """Keeps how long it was waited for; nobody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        return self.is_set()


class Clock:
    """Each piece takes `piece_s`."""

    def __init__(self, piece_s: float) -> None:
        self.piece_s, self.now_s = piece_s, 0.0

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.now_s += self.piece_s
        return HashEncoder().embed(texts)

    def read(self) -> float:
        return self.now_s


@given(st.lists(st.text(max_size=12), min_size=1, max_size=200))
def test_every_text_keeps_its_place(texts: list[str]) -> None:
    rows = embed_paced(texts, HashEncoder().embed, Traffic(), threading.Event())
    assert np.array_equal(rows, np.stack([vector_of(text) for text in texts]))


def test_without_requests_there_are_no_pauses_and_all_threads() -> None:
    stop, asked = Stop(), []
    embed_paced(TEXTS, HashEncoder().embed, Traffic(lambda: False, asked.append), stop)
    assert stop.waits == []
    assert asked == [False] * 3


def test_beside_requests_each_piece_is_small_takes_one_thread_and_is_followed_by_a_long_pause() -> None:
    stop, asked, clock, encoder = Stop(), [], Clock(0.25), HashEncoder()

    def embed(texts: Sequence[str]) -> np.ndarray:
        encoder.embed(texts)
        return clock.embed(texts)

    embed_paced(TEXTS, embed, Traffic(lambda: True, asked.append, clock.read), stop)
    assert stop.waits == [PAUSES * 0.25] * 3
    assert asked == [True] * 3
    assert [len(call) for call in encoder.calls] == [PIECE_TEXTS, PIECE_TEXTS, 5]


def test_pauses_end_with_the_requests() -> None:
    stop, busy = Stop(), iter([True, True, False, False, False, False])
    embed_paced(TEXTS, HashEncoder().embed, Traffic(lambda: next(busy)), stop)
    assert len(stop.waits) == 1


def test_a_stop_ends_a_pause() -> None:
    stop = threading.Event()
    clock = Clock(3600)

    def embed(texts: Sequence[str]) -> np.ndarray:
        stop.set()
        return clock.embed(texts)

    assert len(embed_paced(TEXTS, embed, Traffic(lambda: True, clock=clock.read), stop)) == len(TEXTS)
