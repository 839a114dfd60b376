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
import open_clip
import torch
from pictures import picture
from PIL import Image
from safetensors.torch import save_file
from tiny_tokenizers import bert_tokenizer, save_siglip_tokenizer
from transformers import (
    BertConfig,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    SwinConfig,
)

from service.datasets.prototypes import unsaved_dataset
from service.datasets.spec import ClassEntry, DatasetSpec
from service.models.factory import load_encoder, load_localizer
from service.models.find import find_model
from service.models.hardware import choose_hardware
from service.models.weights import WeightsStore
from service.recognizer import Limits, Options, Recognizer

ENCODER = "ViT-SO400M-16-SigLIP2-256"


def save_encoder(folder: Path) -> None:
    """open_clip's own configuration with a stand-in tokenizer, whose few ids are all below 256000."""
    folder.mkdir()
    config = {
        "model_cfg": open_clip.get_model_config(ENCODER),
        "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    save_siglip_tokenizer(folder)
    save_file(open_clip.create_model(ENCODER).state_dict(), folder / "open_clip_model.safetensors")


def save_localizer(folder: Path) -> None:
    """As IDEA-Research/grounding-dino-tiny: Swin-tiny, BERT-base, 900 queries, sides of 800 to 1333 pixels."""
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            embed_dim=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24], window_size=7, out_indices=[2, 3, 4]
        ),
        text_config=BertConfig(),
    )
    assert (config.num_queries, config.d_model, config.encoder_layers, config.decoder_layers) == (900, 256, 6, 6)
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    processor = GroundingDinoImageProcessor(size={"shortest_edge": 800, "longest_edge": 1333})
    GroundingDinoProcessor(processor, bert_tokenizer()).save_pretrained(folder)


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
            torch.manual_seed(1)
            save_encoder(root / "encoder")
            save_localizer(root / "localizer")
        else:
            sys.stdout.write(json.dumps(measure(root), indent=2) + "\n")
        return
    import subprocess

    with tempfile.TemporaryDirectory() as root:
        for step in ("save", "measure"):
            subprocess.run([sys.executable, __file__, step, root], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
