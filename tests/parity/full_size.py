"""The standard profile at full size, with random weights: `python tests/parity/full_size.py` prints seconds and memory.

Figures of speed and memory do not depend on what the weights are; answers do, so none is judged here.
"""

import asyncio
import io
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pictures import picture
from PIL import Image

from service.bench.random_weights import save_random_weights
from service.datasets.prototypes import unsaved_dataset
from service.datasets.spec import ClassEntry, DatasetSpec
from service.models.factory import load_encoder, load_localizer
from service.models.find import find_model
from service.models.hardware import choose_hardware
from service.models.weights import WeightsStore
from service.recognizer import Limits, Options, Recognizer


def measure(root: Path) -> dict[str, Any]:
    """Load both through the factory and classify one picture of 640 x 480, twice."""
    hardware = choose_hardware("cpu", "auto", 2)
    torch.set_num_threads(hardware.threads)
    store = WeightsStore(root / "cache", offline=True)
    start_s = time.perf_counter()
    localizer = load_localizer(find_model(str(root / "localizer"), "localizer"), store, hardware)
    localizer_s = time.perf_counter() - start_s
    start_s = time.perf_counter()
    encoder = load_encoder(find_model(str(root / "encoder"), "encoder"), store, hardware)
    encoder_s = time.perf_counter() - start_s
    spec = DatasetSpec(tuple(map(ClassEntry, ("cat", "dog", "bird"))), localizer_prompts=("cat",), box_threshold=0.0)
    start_s = time.perf_counter()
    dataset = unsaved_dataset(spec, encoder.embed_texts)
    texts_s = time.perf_counter() - start_s
    buffer = io.BytesIO()
    Image.fromarray(picture(640, 480)).save(buffer, "JPEG")
    recognizer = Recognizer(localizer, encoder, Limits(locate_timeout_s=300, request_timeout_s=300, threads=2))
    try:
        first, second = (asyncio.run(recognizer.recognize(buffer.getvalue(), dataset, Options())) for _ in range(2))
    finally:
        recognizer.close()
    return {
        "hardware": str(hardware),
        "encoder": {"revision": encoder.revision, "dimensions": encoder.dimensions, "load_s": round(encoder_s, 2)},
        "localizer_load_s": round(localizer_s, 2),
        "three_texts_s": round(texts_s, 2),
        "first_ms": {stage: round(taken) for stage, taken in first.timings_ms.items()},
        "second_ms": {stage: round(taken) for stage, taken in second.timings_ms.items()},
        "answer": {"label": second.label, "confidence": second.confidence, "fallback": second.fallback},
        "detections": len(second.detections),
        "same_twice": bool(np.isclose(first.confidence, second.confidence)),
        "peak_rss_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),
    }


def main(arguments: list[str]) -> None:
    """Without arguments: save both models and measure; `save FOLDER` and `measure FOLDER` do one half each.

    Peak memory is a process's, so the saving is best left to another process.
    """
    if arguments:
        step, root = arguments[0], Path(arguments[1])
        if step == "save":
            save_random_weights("grounding-dino-tiny", "siglip2-so400m", root)
        else:
            sys.stdout.write(json.dumps(measure(root), indent=2) + "\n")
        return
    import subprocess

    with tempfile.TemporaryDirectory() as root:
        for step in ("save", "measure"):
            subprocess.run([sys.executable, __file__, step, root], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
