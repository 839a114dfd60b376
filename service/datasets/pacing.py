"""Long builds give way to requests: a piece at a time, and long pauses while pictures are being recognized."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
PIECE_S = 0.2  # what a request may have to share the processors with
FIRST_PIECE_TEXTS = 8  # few, as nothing is known of the encoder: where a text takes seconds, a lease must hold for them
MOST_PIECE_TEXTS = 64
PAUSES = 4  # after a piece, as long as so many pieces
MOST_PAUSE_S = 10.0  # well below a build's lease
LOOK_AGAIN_S = 0.5
REMEMBERED = 0.8  # of what is known of a text's time, after each list


@dataclass(frozen=True)
class Traffic:
    """What a build must know of the requests beside it.

    is_busy: whether there are any. use_threads: called before each piece with whether they leave one thread only.
    """

    is_busy: Callable[[], bool] = lambda: False
    use_threads: Callable[[bool], None] = lambda _one: None
    clock: Callable[[], float] = time.monotonic


class TextPace:
    """Seconds that a text takes, mostly of the last lists."""

    def __init__(self) -> None:
        self._worked_s = self._texts = 0.0

    @property
    def text_s(self) -> float | None:
        """None while nothing is known."""
        return self._worked_s / self._texts if self._texts else None

    def add(self, texts: int, took_s: float) -> None:
        self._worked_s = REMEMBERED * self._worked_s + took_s
        self._texts = REMEMBERED * self._texts + texts


class PacedEmbedding:
    """At full speed while there are no requests, else with a fifth of one processor.

    The thread's priority would not do: a thread that the system holds back may hold Python's lock meanwhile.

    Args:
        stopping: ends the pauses.
        before_piece: what it raises ends the embedding.
        first_texts: of the first piece.
    """

    def __init__(
        self,
        embed: Callable[[Sequence[str]], Floats],
        traffic: Traffic,
        stopping: threading.Event,
        before_piece: Callable[[], None],
        first_texts: int = FIRST_PIECE_TEXTS,
    ) -> None:
        self._embed, self._traffic = embed, traffic
        self._stopping, self._before_piece = stopping, before_piece
        self._piece_texts = first_texts

    def embed(self, texts: Sequence[str]) -> Floats:
        """Unit embeddings `[N, D]`."""
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))  # of like length they cost least
        rows: list[Floats] = []
        start = 0
        while start < len(texts):
            piece = [texts[place] for place in order[start : start + self._piece_texts]]
            rows.append(self._embed_piece(piece))
            start += len(piece)
        embeddings = np.concatenate(rows)
        sorted_back = np.empty_like(embeddings)
        sorted_back[order] = embeddings
        return sorted_back

    def _embed_piece(self, piece: Sequence[str]) -> Floats:
        self._before_piece()
        self._traffic.use_threads(self._traffic.is_busy())
        started_s = self._traffic.clock()
        rows = self._embed(piece)
        piece_s = self._traffic.clock() - started_s
        if piece_s > PIECE_S:
            self._piece_texts = max(1, self._piece_texts // 2)
        elif piece_s < PIECE_S / 2 and len(piece) == self._piece_texts:
            self._piece_texts = min(MOST_PIECE_TEXTS, 2 * self._piece_texts)
        self._pause(min(PAUSES * piece_s, MOST_PAUSE_S))
        return rows

    def _pause(self, left_s: float) -> None:
        """As long as there are requests."""
        while left_s > 0 and self._traffic.is_busy() and not self._stopping.wait(min(left_s, LOOK_AGAIN_S)):
            left_s -= LOOK_AGAIN_S
