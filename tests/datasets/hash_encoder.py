"""A text encoder whose vectors are known without a model."""

import hashlib
import threading
from collections.abc import Sequence

import numpy as np

DIMENSIONS = 8


class HashEncoder:
    """Texts to unit vectors by their hash; keeps a history, may be held at a gate, and fails on a text it is told."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.held_from_call = 1
        self.entered = threading.Semaphore(0)
        self.fails_on: str | None = None

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.calls.append(list(texts))
        self.entered.release()
        assert len(self.calls) < self.held_from_call or self.gate.wait(20)
        if self.fails_on is not None and any(self.fails_on in text for text in texts):
            raise RuntimeError("the text encoder failed")
        return np.stack([vector_of(text) for text in texts])

    @property
    def texts(self) -> list[str]:
        return [text for call in self.calls for text in call]


def vector_of(text: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    row = np.random.default_rng(seed).normal(size=DIMENSIONS).astype(np.float32)
    return row / np.linalg.norm(row)
