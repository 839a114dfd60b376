"""An encoder whose vectors are known without a model."""

import hashlib
import threading
from collections.abc import Callable, Sequence

import numpy as np

from service.models.ports import PromptSet

DIMENSIONS = 8


class HashEncoder:
    """Texts and pictures to unit vectors by their hash; keeps a history, may be held at a gate, and fails on a text it
    is told. `before_picture` is called with each picture's bytes."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.held_from_call = 1
        self.entered = threading.Semaphore(0)
        self.fails_on: str | None = None
        self.pictures: list[bytes] = []
        self.before_picture: Callable[[bytes], None] = lambda _data: None

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.calls.append(list(texts))
        self.entered.release()
        assert len(self.calls) < self.held_from_call or self.gate.wait(20)
        if self.fails_on is not None and any(self.fails_on in text for text in texts):
            raise RuntimeError("the text encoder failed")
        return np.stack([vector_of(text) for text in texts])

    def embed_picture(self, data: bytes, prompts: PromptSet) -> np.ndarray:
        self.pictures.append(data)
        self.before_picture(data)
        return picture_vector(data, *prompts.prompts)

    @property
    def texts(self) -> list[str]:
        return [text for call in self.calls for text in call]


def vector_of(text: str) -> np.ndarray:
    return _vector(text.encode())


def picture_vector(data: bytes, *prompts: str) -> np.ndarray:
    """What is found in a picture depends on what is looked for."""
    return _vector(b"picture " + data + " ".join(prompts).encode())


def _vector(content: bytes) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(content).digest()[:8])
    row = np.random.default_rng(seed).normal(size=DIMENSIONS).astype(np.float32)
    return row / np.linalg.norm(row)
