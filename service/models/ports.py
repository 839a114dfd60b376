"""What the rest of the service knows of models: two tiny ports and the values that cross them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from service.recognition.boxes import Box, Detection
from service.recognition.views import Rgb

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
PromptMode = Literal["joined", "averaged"]
PROMPT_MODES: tuple[PromptMode, ...] = ("joined", "averaged")


@runtime_checkable
class Split(Protocol):
    """A model that one processor can compute too, beside others that do the same."""

    @property
    def lanes(self) -> Sequence[Callable[[Any], Any]]:
        """Each is the model's call (`locate`, `segment`, `embed_images`) on one processor, with the same results, for
        one thread at a time; none of them while the model itself is called. Empty where there is one processor."""
        ...


def lanes_of(model: object) -> Sequence[Callable[[Any], Any]]:
    return model.lanes if isinstance(model, Split) else ()


class Encoder(Protocol):
    """Pictures and texts into one space of unit vectors. `embed_*` may be called from any one thread at a time each."""

    name: str
    revision: str  # changes whenever an embedding may change; stored prototypes are keyed by it
    logit_scale: float
    pad_colour: Rgb

    def preprocess(self, rgb: NDArray[np.uint8]) -> Bytes:
        """`rgb [H, W, 3]` at the model's size `[S, S, 3]`; safe to call from several threads."""
        ...

    def embed_images(self, pixels: Bytes) -> Floats:
        """Unit embeddings `[N, D]` of `pixels [N, S, S, 3]`; row i depends on picture i alone."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """Unit embeddings `[N, D]` of whole prompts, as templates made them."""
        ...


@dataclass(frozen=True)
class PromptSet:
    """What to look for: object prompts, and whether they are asked side by side or as their averaged features (B.1)."""

    prompts: tuple[str, ...] = ()
    mode: PromptMode | None = None  # None: the localizer's own habit


@dataclass(frozen=True)
class LocatorInput:
    """One picture ready for a localizer: `pixels` and the size in pixels that boxes refer to."""

    pixels: NDArray[Any]  # bytes [h, w, 3], or bytes or floats [3, h, w], as the localizer takes them
    width: int
    height: int
    prompts: PromptSet


class Localizer(Protocol):
    """Finds objects. `locate` runs in one thread at a time; `preprocess` in several."""

    name: str
    revision: str
    default_threshold: float
    reads_prompts: bool  # whether a prompt can change what it finds
    gives_masks: bool  # whether its detections carry masks

    def check_prompts(self, prompts: PromptSet) -> None:
        """Prepare and keep the prompts' features.

        Raises:
            ValueError: the model cannot take them (too long).
        """
        ...

    def preprocess(self, rgb: NDArray[np.uint8], prompts: PromptSet) -> LocatorInput: ...

    def locate(self, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
        """For each picture the detections in its pixels, best first; entry i depends on input i alone."""
        ...


@dataclass(frozen=True, eq=False)
class SegmenterInput:
    """One picture, `width` x `height`, and a box in its pixels, ready for a segmenter."""

    pixels: NDArray[Any]  # as those of a localizer
    width: int
    height: int
    box: Box


class Segmenter(Protocol):
    """Says which pixels are the object's in a box. `segment` runs in one thread at a time; `preprocess` in several."""

    name: str
    revision: str

    def preprocess(self, rgb: NDArray[np.uint8], box: Box) -> SegmenterInput: ...

    def segment(self, inputs: Sequence[SegmenterInput]) -> list[NDArray[np.bool_]]:
        """For each picture its object's mask `[height, width]`; entry i depends on input i alone."""
        ...
