"""OWLv2 (Minderer et al. 2023) through transformers, its text queries embedded once for each prompt set.

Without prompts its boxes are scored by the objectness head, which that paper trains to select instances for any query;
recognition by such boxes is RCOR's (Janouskova et al. 2025, arXiv 2510.00618).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoProcessor, Owlv2ForObjectDetection

from service.models.hardware import Hardware
from service.models.localizers.detector import (
    LEAST_SCORE,
    KeptFeatures,
    detections_in_picture,
    runs_of_equals,
)
from service.models.ports import LocatorInput, PromptSet
from service.models.quiet import quiet_transformers
from service.recognition.boxes import Detection


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
        self._device = torch.device(hardware.device)
        self._processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model = Owlv2ForObjectDetection.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        self._model: Any = model.eval().to(self._device)
        self._longest_px = 2 * self._model.config.vision_config.image_size
        self._queries = KeptFeatures(self._embed_prompts)

    def check_prompts(self, prompts: PromptSet) -> None:
        if prompts.prompts:
            self._queries(prompts)

    @torch.inference_mode()
    def _embed_prompts(self, prompts: PromptSet) -> _Queries:
        """One query a prompt, or (the default) the unit mean of the prompts' embeddings (L2R2, B.1)."""
        texts = list(prompts.prompts)
        longest = self._model.config.text_config.max_position_embeddings
        for text in texts:
            if len(self._processor.tokenizer(text)["input_ids"]) > longest:
                raise ValueError(f"{text[:40]!r} has more than {longest} tokens")
        tokens = self._processor.tokenizer(texts, padding="max_length", max_length=longest, return_tensors="pt")
        rows = self._model.owlv2.get_text_features(**tokens.to(self._device)).pooler_output
        rows = rows / rows.norm(dim=-1, keepdim=True)
        if prompts.mode == "joined" or len(texts) == 1:
            return _Queries(rows, tuple(texts))
        mean = rows.mean(dim=0, keepdim=True)
        return _Queries(mean / mean.norm(dim=-1, keepdim=True), (", ".join(texts),))

    def preprocess(self, rgb: NDArray[np.uint8], prompts: PromptSet) -> LocatorInput:
        height, width = rgb.shape[:2]
        image = Image.fromarray(rgb)
        # The processor pads to a square of the longer side and blurs that: a 9000 x 100 strip took 13 GB and a minute.
        if max(image.size) > self._longest_px:
            image.thumbnail((self._longest_px, self._longest_px), reducing_gap=3.0)
        pixels = self._processor.image_processor(image, return_tensors="np")["pixel_values"][0]
        return LocatorInput(np.asarray(pixels, np.float32), width, height, prompts)

    @torch.inference_mode()
    def locate(self, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
        found: list[list[Detection]] = [[] for _ in inputs]
        for places, group in runs_of_equals(inputs, lambda entry: (entry.prompts, entry.pixels.shape)):
            for place, detections in zip(places, self._locate_equals(group), strict=True):
                found[place] = detections
        return found

    def _locate_equals(self, group: Sequence[LocatorInput]) -> list[list[Detection]]:
        pixels = torch.from_numpy(np.stack([entry.pixels for entry in group])).to(self._device)
        feature_map, _ = self._model.image_embedder(pixels)
        features = feature_map.flatten(1, 2)  # [B, patches, D]
        logits, names = self._logits(features, group[0].prompts)
        boxes = self._model.box_predictor(features, feature_map)  # centre and size, of the padded square
        return [_detections(*rows, names) for rows in zip(logits, boxes, group, strict=True)]

    def _logits(self, features: torch.Tensor, prompts: PromptSet) -> tuple[torch.Tensor, tuple[str | None, ...]]:
        """`[B, patches, Q]` and the prompt of each query, or the objectness as the one query that has no prompt."""
        if not prompts.prompts:
            return self._model.objectness_predictor(features)[..., None], (None,)
        queries = self._queries(prompts)
        logits, _ = self._model.class_predictor(features, queries.embeddings.expand(len(features), -1, -1))
        return logits, queries.prompts


def _detections(
    logits: torch.Tensor, boxes: torch.Tensor, entry: LocatorInput, prompts: tuple[str | None, ...]
) -> list[Detection]:
    best, query = logits.float().sigmoid().max(dim=-1)
    kept = best >= LEAST_SCORE
    # The picture was padded to a square at its right or lower side: boxes are parts of the longer side.
    centre, size = boxes[kept].float().split(2, dim=-1)
    corners = torch.cat([centre - size / 2, centre + size / 2], dim=-1) * max(entry.width, entry.height)
    return detections_in_picture(
        corners.cpu().numpy(),
        best[kept].cpu().numpy(),
        [prompts[index] for index in query[kept].tolist()],
        entry.width,
        entry.height,
    )
