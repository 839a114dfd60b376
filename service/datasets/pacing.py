"""Long builds give way to requests: a piece at a time, and long pauses while pictures are being recognized."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
PIECE_TEXTS = 64  # what a request may have to share the processors with: about 0.1 s of one
PAUSES = 4  # after a piece, as long as so many pieces


@dataclass(frozen=True)
class Traffic:
    """What a build must know of the requests beside it.

    is_busy: whether there are any. use_threads: called before each piece with whether they leave one thread only.
    """

    is_busy: Callable[[], bool] = lambda: False
    use_threads: Callable[[bool], None] = lambda _one: None
    clock: Callable[[], float] = time.monotonic


def embed_paced(
    texts: Sequence[str], embed: Callable[[Sequence[str]], Floats], traffic: Traffic, stopping: threading.Event
) -> Floats:
    """Unit embeddings `[N, D]`, at full speed while there are no requests, else with a fifth of one processor.

    A stop ends the pauses. The thread's priority would not do: a thread that the system holds back may hold Python's
    lock meanwhile.
    """
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))  # texts of like length cost least together
    rows: list[Floats] = []
    for start in range(0, len(texts), PIECE_TEXTS):
        traffic.use_threads(traffic.is_busy())
        started_s = traffic.clock()
        rows.append(embed([texts[place] for place in order[start : start + PIECE_TEXTS]]))
        if traffic.is_busy():
            stopping.wait(PAUSES * (traffic.clock() - started_s))
    embeddings = np.concatenate(rows)
    sorted_back = np.empty_like(embeddings)
    sorted_back[order] = embeddings
    return sorted_back
