"""A FastAPI handler as people write it today: one request, one call of each model, in the web server's threads.

`python -m service.bench.peers.plain_handler --port N --prototypes FILE.npy --scale S`, models from the L2R2_ settings.
"""

from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, UploadFile
from PIL import Image

from service.bench.peers.plain_models import PlainModels, load_plain_models
from service.bench.peers.recognizing import arguments, recognize
from service.engine import chosen_models
from service.models.ports import Floats
from service.settings import load_settings


def handler(models: PlainModels, prototypes: Floats, scale: float) -> FastAPI:
    """`prototypes [L, D]` were computed once, at the start."""
    app = FastAPI()

    @app.post("/classify")
    def classify(image: UploadFile) -> dict[str, Any]:
        rgb = np.asarray(Image.open(image.file).convert("RGB"))
        return recognize(models, [rgb], prototypes, scale)[0]

    return app


def main() -> None:
    given, settings = arguments(), load_settings()
    localizer, encoder, _ = chosen_models(settings)
    models = load_plain_models(localizer, encoder, settings)
    app = handler(models, np.load(given.prototypes), given.scale)
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
