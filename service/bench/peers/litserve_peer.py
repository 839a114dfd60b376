"""LitServe's batching around the same model calls as ours.

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

from service.bench.peers.plain_handler import arguments, softmax
from service.bench.scenes import PROMPTS
from service.engine import load_engine
from service.models.ports import Floats
from service.recognition.views import VIEWS, Scene, Style
from service.settings import load_settings

MOST = 16  # as our own
WAIT_S = 0.01  # LitServe's examples wait this long for a batch to fill
BRANCHES = ("full", "fg")


class Api(litserve.LitAPI):  # type: ignore[misc]
    """Pickled into a process of LitServe's own, so it stands at the top of the module."""

    def __init__(self, prototypes: Path, scale: float) -> None:
        super().__init__(max_batch_size=MOST, batch_timeout=WAIT_S, api_path="/classify")
        self._file, self._scale = prototypes, scale

    def setup(self, device: str) -> None:  # noqa: ARG002
        self.recognizer = load_engine(load_settings()).recognizer
        self.prototypes: Floats = np.load(self._file)

    def decode_request(self, request: Request) -> NDArray[np.uint8]:
        """LitServe looks at the annotation; what it hands over is the request's form."""
        return np.asarray(Image.open(io.BytesIO(request["image"].file.read())).convert("RGB"))

    def batch(self, inputs: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        return list(inputs)

    def predict(self, pictures: Sequence[NDArray[np.uint8]]) -> list[dict[str, Any]]:
        localizer, encoder = self.recognizer.localizer, self.recognizer.encoder
        found = localizer.locate([localizer.preprocess(rgb, PROMPTS) for rgb in pictures])
        style = Style(encoder.pad_colour)
        scenes = [Scene(rgb, rows[0].box if rows else None) for rgb, rows in zip(pictures, found, strict=True)]
        shown = [BRANCHES if scene.box is not None else BRANCHES[:1] for scene in scenes]
        views = [
            encoder.preprocess(VIEWS[name].make(scene, style))
            for scene, names in zip(scenes, shown, strict=True)
            for name in names
        ]
        probabilities = softmax(self._scale * encoder.embed_images(np.stack(views)) @ self.prototypes.T)
        ends = np.cumsum([len(names) for names in shown])[:-1]
        return [answer(rows) for rows in np.split(probabilities, ends)]

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


def answer(probabilities: Floats) -> dict[str, Any]:
    """The surer view's best class of `probabilities [V, L]`."""
    view, label = np.unravel_index(int(probabilities.argmax()), probabilities.shape)
    return {"label": int(label), "confidence": float(probabilities[view, label])}


def main() -> None:
    given, device = arguments(), load_settings().device
    accelerator = {"cpu": "cpu", "cuda": "cuda"}.get(device, "auto")
    server = litserve.LitServer(Api(given.prototypes, given.scale), accelerator=accelerator, timeout=300)
    server.run(host="127.0.0.1", port=given.port, log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main()
