"""LitServe's batching around the plain handler's model calls, or around ours (`--models own`).

`python -m service.bench.peers.litserve_peer --port N --prototypes FILE.npy --scale S`, models from the L2R2_ settings.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import litserve
import numpy as np
from fastapi import Request
from numpy.typing import NDArray
from PIL import Image

from service.bench.peers.own_models import OwnModels
from service.bench.peers.plain_models import PlainModels, load_plain_models
from service.bench.peers.recognizing import arguments, recognize
from service.engine import chosen_models, load_engine
from service.models.ports import Floats
from service.settings import load_settings

MOST = 16  # more than there are callers, so that it may batch all that wait
WAIT_S = 0.01  # LitServe's examples wait this long for a batch to fill


class Api(litserve.LitAPI):  # type: ignore[misc]
    """Pickled into a process of LitServe's own, so it stands at the top of the module."""

    def __init__(self, kind: str, prototypes: Path, scale: float) -> None:
        super().__init__(max_batch_size=MOST, batch_timeout=WAIT_S, api_path="/classify")
        self._kind, self._file, self._scale = kind, prototypes, scale

    def setup(self, device: str) -> None:  # noqa: ARG002
        settings = load_settings()
        if self._kind == "own":
            recognizer = load_engine(settings).recognizer
            self.models: PlainModels = OwnModels(recognizer.localizer, recognizer.encoder)
        else:
            localizer, encoder, _ = chosen_models(settings)
            self.models = load_plain_models(localizer, encoder, settings)
        self.prototypes: Floats = np.load(self._file)

    def decode_request(self, request: Request) -> NDArray[np.uint8]:
        """LitServe looks at the annotation; what it hands over is the request's form."""
        return np.asarray(Image.open(io.BytesIO(request["image"].file.read())).convert("RGB"))

    def batch(self, inputs: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        return list(inputs)

    def predict(self, pictures: Sequence[NDArray[np.uint8]]) -> list[dict[str, Any]]:
        return recognize(self.models, pictures, self.prototypes, self._scale)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


def main() -> None:
    given, device = arguments(), load_settings().device
    accelerator = {"cpu": "cpu", "cuda": "cuda"}.get(device, "auto")
    server = litserve.LitServer(Api(given.models, given.prototypes, given.scale), accelerator=accelerator, timeout=300)
    server.run(host="127.0.0.1", port=given.port, log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main()
