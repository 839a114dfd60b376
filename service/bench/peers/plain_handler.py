"""A FastAPI handler as people write it today: one request, one call of each model, in the web server's threads.

`python -m service.bench.peers.plain_handler --port N --prototypes FILE.npy --scale S`, models from the L2R2_ settings.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, UploadFile
from numpy.typing import NDArray
from PIL import Image

from service.bench.peers.plain_models import PlainModels, load_plain_models
from service.engine import chosen_models
from service.models.ports import Floats
from service.settings import load_settings


def handler(models: PlainModels, prototypes: Floats, scale: float) -> FastAPI:
    """`prototypes [L, D]` were computed once, at the start."""
    app = FastAPI()

    @app.post("/classify")
    def classify(image: UploadFile) -> dict[str, Any]:
        rgb = np.asarray(Image.open(image.file).convert("RGB"))
        box = models.locate(models.prepare_picture(rgb))
        embeddings = models.embed(models.prepare_views(rgb, box))
        probabilities = softmax(scale * embeddings @ prototypes.T)
        view, label = np.unravel_index(int(probabilities.argmax()), probabilities.shape)
        corners = None if box is None else [box.x0, box.y0, box.x1, box.y1]
        return {"label": int(label), "confidence": float(probabilities[view, label]), "box": corners}

    return app


def softmax(logits: NDArray[Any]) -> Floats:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True), np.float32)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--prototypes", type=Path, required=True)
    parser.add_argument("--scale", type=float, required=True)
    return parser.parse_args()


def main() -> None:
    given, settings = arguments(), load_settings()
    localizer, encoder, _ = chosen_models(settings)
    models = load_plain_models(localizer, encoder, settings)
    app = handler(models, np.load(given.prototypes), given.scale)
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
