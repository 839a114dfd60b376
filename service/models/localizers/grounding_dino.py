"""GroundingDINO (Liu et al. 2023) through transformers, its text backbone run once for each prompt set."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoProcessor, GroundingDinoForObjectDetection

from service.models.device import Device
from service.models.graphs import graphs_for_detector, run_in_graph
from service.models.hardware import Hardware
from service.models.localizers.deformable import DeformableAttention
from service.models.localizers.detector import (
    MOST_DETECTIONS,
    KeptFeatures,
    best_rows,
    detections_in_picture,
    runs_of_equals,
)
from service.models.localizers.grounding_texts import Text, TextEmbedder
from service.models.portions import Portions
from service.models.ports import Floats, LocatorInput, PromptSet
from service.models.quiet import quiet_transformers
from service.recognition.boxes import Detection

# A thinner strip than this leaves the model fewer places than it has queries, or a side of no pixels; it is stretched.
STRIP_PX = (1344, 42)
MOST_TOGETHER = 64


class GroundingDino:
    default_threshold = 0.25
    reads_prompts = True
    gives_masks = False

    def __init__(self, name: str, revision: str, folder: Path, hardware: Hardware) -> None:
        self.name, self.revision = name, revision
        quiet_transformers()
        self._device = Device(hardware)
        self._processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model = GroundingDinoForObjectDetection.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        self._model: Any = model.eval().requires_grad_(False).to(self._device.torch)
        _replace_attention(self._model.model)
        embedder = TextEmbedder(self._model.model, self._processor.tokenizer, hardware)
        self._text_backbone, self._texts = embedder.kept, KeptFeatures(embedder)
        self._portions = Portions(name, MOST_TOGETHER)
        self._graphs = graphs_for_detector(name, self._device, hardware)
        images = self._processor.image_processor
        self._mean, self._std = (
            (torch.tensor(values) * (1.0 / images.rescale_factor)).view(-1, 1, 1).to(self._device.torch)
            for values in (images.image_mean, images.image_std)
        )

    def check_prompts(self, prompts: PromptSet) -> None:
        self._texts(prompts)

    def preprocess(self, rgb: NDArray[np.uint8], prompts: PromptSet) -> LocatorInput:
        height, width = rgb.shape[:2]
        image = Image.fromarray(rgb)
        if max(image.size) * STRIP_PX[1] > min(image.size) * STRIP_PX[0]:
            image = image.resize(STRIP_PX if width > height else STRIP_PX[::-1])
        left_out = {"do_rescale": False, "do_normalize": False, "do_pad": False}  # done, or not needed, on the device
        pixels = self._processor.image_processor(image, **left_out, return_tensors="np")["pixel_values"][0]
        return LocatorInput(pixels, width, height, prompts)

    def normalized(self, pixels: torch.Tensor) -> torch.Tensor:
        """Bytes `[B, 3, h, w]` as the library's own processor gives them, in float32."""
        return pixels.float().sub_(self._mean).div_(self._std)

    def locate(self, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
        found: list[list[Detection]] = [[] for _ in inputs]
        for places, group in runs_of_equals(inputs, lambda entry: (entry.prompts, entry.pixels.shape)):
            for text in self._texts(group[0].prompts):
                for place, detections in zip(places, self._ask(text, group), strict=True):
                    merged = sorted(found[place] + detections, key=lambda detection: -detection.score)
                    found[place] = merged[:MOST_DETECTIONS]
        return found

    def _ask(self, text: Text, group: Sequence[LocatorInput]) -> list[list[Detection]]:
        with self._device.running():
            rows = self._portions(len(group), lambda part: self._rows(text, group[part]))
        return [_detections(best, entry, text) for best, entry in zip(chain(*rows), group, strict=True)]

    def _rows(self, text: Text, group: Sequence[LocatorInput]) -> Floats:
        count = len(group)
        pixels = self._device.send(np.stack([entry.pixels for entry in group]))
        inputs = (pixels, text.input_ids.expand(count, -1), text.features.expand(count, -1, -1))
        return self._device.fetch(run_in_graph(self._graphs, self._forward, inputs))

    def _forward(self, pixels: torch.Tensor, input_ids: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Of each picture the best queries' boxes (centre and size), and their scores for each of T tokens:
        `[B, queries, 4 + T]`."""
        self._text_backbone.features = features
        try:
            output = self._model(pixel_values=self.normalized(pixels), input_ids=input_ids)
        finally:
            self._text_backbone.features = None
        scores = output.logits[..., : input_ids.shape[1]].sigmoid()
        return best_rows(output.pred_boxes, scores)


def _replace_attention(detector: Any) -> None:
    for layer in detector.encoder.layers:
        layer.deformable_layer.self_attn = DeformableAttention(layer.deformable_layer.self_attn)
    for layer in detector.decoder.layers:
        layer.encoder_attn = DeformableAttention(layer.encoder_attn)


def _detections(rows: Floats, entry: LocatorInput, text: Text) -> list[Detection]:
    """From `rows [queries, 4 + T]`."""
    centre, size, tokens = np.split(rows, (2, 4), axis=1)
    scores = tokens.max(axis=1)
    per_prompt = [
        tokens[:, text.prompt_of_token == place].max(axis=1, initial=0.0) for place in range(len(text.prompts))
    ]
    best_prompt = np.stack(per_prompt, 1).argmax(axis=1)
    side = np.array([entry.width, entry.height] * 2, np.float32)
    corners = np.concatenate([centre - size / 2, centre + size / 2], axis=1) * side
    prompts = [text.prompts[index] for index in best_prompt]
    return detections_in_picture(corners, scores, prompts, entry.width, entry.height)
