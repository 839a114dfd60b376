"""OWLv2 (Minderer et al. 2023) through transformers, its text queries embedded once for each prompt set.

Without prompts its boxes are scored by the objectness head, which that paper trains to select instances for any query;
recognition by such boxes is RCOR's (Janouskova et al. 2025, arXiv 2510.00618).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional
from transformers import AutoProcessor, Owlv2ForObjectDetection

from service.models.device import Device
from service.models.graphs import graphs_for_detector, run_in_graph
from service.models.hardware import Hardware
from service.models.localizers.detector import KeptFeatures, best_rows, detections_in_picture, runs_of_equals
from service.models.portions import Portions
from service.models.ports import Floats, LocatorInput, PromptSet
from service.models.quiet import quiet_transformers
from service.recognition.boxes import Detection

MOST_TOGETHER = 64


@dataclass(frozen=True)
class _Queries:
    embeddings: torch.Tensor  # [Q, D], one query a row
    prompts: tuple[str, ...]  # one for each query


class Owlv2:
    default_threshold = 0.2
    reads_prompts = True
    gives_masks = False

    def __init__(self, name: str, revision: str, folder: Path, hardware: Hardware) -> None:
        self.name, self.revision = name, revision
        quiet_transformers()
        self._device, self._text_device = Device(hardware), Device(hardware)
        self._processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model = Owlv2ForObjectDetection.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        self._model: Any = model.eval().requires_grad_(False).to(self._device.torch)
        self._longest_px = 2 * self._model.config.vision_config.image_size
        self._queries = KeptFeatures(self._embed_prompts)
        self._portions = Portions(name, MOST_TOGETHER)
        self._graphs = graphs_for_detector(name, self._device, hardware)

    def check_prompts(self, prompts: PromptSet) -> None:
        if prompts.prompts:
            self._queries(prompts)

    def _embed_prompts(self, prompts: PromptSet) -> _Queries:
        """One query a prompt, or (the default) the unit mean of the prompts' embeddings (L2R2, B.1)."""
        texts = list(prompts.prompts)
        longest = self._model.config.text_config.max_position_embeddings
        for text in texts:
            if len(self._processor.tokenizer(text)["input_ids"]) > longest:
                raise ValueError(f"{text[:40]!r} has more than {longest} tokens")
        tokens = self._processor.tokenizer(texts, padding="max_length", max_length=longest, return_tensors="pt")
        with self._text_device.running():
            tokens = tokens.to(self._text_device.torch)
            rows = functional.normalize(self._model.owlv2.get_text_features(**tokens).pooler_output, dim=-1)
            if prompts.mode != "joined" and len(texts) > 1:
                texts = [", ".join(texts)]
                rows = functional.normalize(rows.mean(dim=0, keepdim=True), dim=-1)
            self._text_device.finish()
        return _Queries(rows, tuple(texts))

    def preprocess(self, rgb: NDArray[np.uint8], prompts: PromptSet) -> LocatorInput:
        height, width = rgb.shape[:2]
        image = Image.fromarray(rgb)
        # The processor pads to a square of the longer side and blurs that: a 9000 x 100 strip took 13 GB and a minute.
        if max(image.size) > self._longest_px:
            image.thumbnail((self._longest_px, self._longest_px), reducing_gap=3.0)
        pixels = self._processor.image_processor(image, return_tensors="np")["pixel_values"][0]
        return LocatorInput(np.asarray(pixels, np.float32), width, height, prompts)

    def locate(self, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
        found: list[list[Detection]] = [[] for _ in inputs]
        for places, group in runs_of_equals(inputs, lambda entry: (entry.prompts, entry.pixels.shape)):
            for place, detections in zip(places, self._locate_equals(group), strict=True):
                found[place] = detections
        return found

    def _locate_equals(self, group: Sequence[LocatorInput]) -> list[list[Detection]]:
        prompts = group[0].prompts
        queries = self._queries(prompts) if prompts.prompts else None
        with self._device.running():
            rows = self._portions(len(group), lambda part: self._rows(queries, group[part]))
        names = queries.prompts if queries else (None,)
        return [_detections(best, entry, names) for best, entry in zip(chain(*rows), group, strict=True)]

    def _rows(self, queries: _Queries | None, group: Sequence[LocatorInput]) -> Floats:
        inputs = [self._device.send(np.stack([entry.pixels for entry in group]))]
        if queries is not None:
            inputs.append(queries.embeddings.expand(len(group), -1, -1))
        return self._device.fetch(run_in_graph(self._graphs, self._forward, inputs))

    def _forward(self, pixels: torch.Tensor, queries: torch.Tensor | None = None) -> torch.Tensor:
        """Of each picture the best boxes (centre and size, as parts of the padded square) and their scores for each of
        Q queries, or their objectness: `[B, boxes, 4 + Q]`."""
        feature_map, _ = self._model.image_embedder(pixels)
        features = feature_map.flatten(1, 2)  # [B, patches, D]
        if queries is None:
            logits = self._model.objectness_predictor(features)[..., None]
        else:
            logits, _ = self._model.class_predictor(features, queries)
        return best_rows(self._model.box_predictor(features, feature_map), logits.float().sigmoid())


def _detections(rows: Floats, entry: LocatorInput, prompts: tuple[str | None, ...]) -> list[Detection]:
    """From `rows [boxes, 4 + Q]`."""
    centre, size, scores = np.split(rows, (2, 4), axis=1)
    # The picture was padded to a square at its right or lower side: boxes are parts of the longer side.
    corners = np.concatenate([centre - size / 2, centre + size / 2], axis=1) * max(entry.width, entry.height)
    names = [prompts[query] for query in scores.argmax(axis=1)]
    return detections_in_picture(corners, scores.max(axis=1), names, entry.width, entry.height)
