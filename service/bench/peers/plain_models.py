"""The models behind the plain peer: one way for the embedded files, one for hub checkpoints."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from service.bench.worker import BenchFailed
from service.engine import weights_store
from service.models.catalog import Model
from service.models.ports import Floats
from service.recognition.boxes import Box
from service.settings import Settings


class PlainModels(Protocol):
    """As people write it: pictures to boxes, a picture and a box to two views, views to embeddings."""

    def prepare_picture(self, rgb: NDArray[np.uint8]) -> Any: ...

    def locate(self, prepared: Sequence[Any]) -> list[Box | None]:
        """The best box of each in pixels of the prepared picture's original."""
        ...

    def prepare_views(self, rgb: NDArray[np.uint8], box: Box | None) -> Any:
        """As long as there are views."""
        ...

    def embed(self, prepared: Sequence[Any]) -> Floats:
        """Unit embeddings `[V, D]` of all views of all pictures."""
        ...


def load_plain_models(localizer: Model, encoder: Model, settings: Settings) -> PlainModels:
    """Raises BenchFailed for families that people have no usual way for here, WeightsError for missing weights."""
    store = weights_store(settings)
    folders: tuple[Path, Path] = store.folder(localizer), store.folder(encoder)
    match localizer.family, encoder.family:
        case "u2net", "embedded_clip":
            from service.bench.peers.plain_onnx import PlainOnnx

            return PlainOnnx(*folders)
        case "grounding_dino" | "owlv2", "open_clip":
            from service.bench.peers.plain_hub import PlainHub

            return PlainHub(*folders, settings.device)
    raise BenchFailed(f"no plain peer for {localizer.family} with {encoder.family}")
