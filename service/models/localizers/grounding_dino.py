"""GroundingDINO (Liu et al. 2023) through transformers, its text backbone run once for each prompt set."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoProcessor, GroundingDinoForObjectDetection
from transformers.models.grounding_dino.modeling_grounding_dino import (
    generate_masks_with_special_tokens_and_transfer_map,
)

from service.models.hardware import Hardware
from service.models.localizers.detector import (
    LEAST_SCORE,
    MOST_DETECTIONS,
    KeptFeatures,
    detections_in_picture,
    runs_of_equals,
)
from service.models.ports import LocatorInput, PromptSet
from service.models.quiet import quiet_transformers
from service.recognition.boxes import Detection
from service.recognition.prompts import joined, normalized_object_prompt, split_by_tokens

DEFAULT_PROMPTS = ("object",)
# A thinner strip than this leaves the model fewer places than it has queries, or a side of no pixels; it is stretched.
STRIP_PX = (1344, 42)


@dataclass(frozen=True)
class _Text:
    """One text that the detector is asked with."""

    input_ids: torch.Tensor  # [1, T]
    features: torch.Tensor  # [1, T, hidden] of the text backbone
    prompts: tuple[str, ...]
    prompt_of_token: NDArray[np.intp]  # [T], -1 for separators


class _KeptTextBackbone(torch.nn.Module):
    """Stands in the text backbone's place and hands out features that were computed before."""

    def __init__(self, backbone: torch.nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.features: torch.Tensor | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self.features is None:
            return self.backbone(*args, **kwargs)
        return SimpleNamespace(last_hidden_state=self.features)


class GroundingDino:
    default_threshold = 0.25
    reads_prompts = True
    gives_masks = False

    def __init__(self, name: str, revision: str, folder: Path, hardware: Hardware) -> None:
        self.name, self.revision = name, revision
        quiet_transformers()
        self._device = torch.device(hardware.device)
        self._processor = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        self._tokenizer = self._processor.tokenizer
        model = GroundingDinoForObjectDetection.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        self._model: Any = model.eval().to(self._device)
        self._text = _KeptTextBackbone(self._model.model.text_backbone)
        self._model.model.text_backbone = self._text
        self._texts = KeptFeatures(self._embed_prompts)

    def check_prompts(self, prompts: PromptSet) -> None:
        self._texts(prompts)

    def preprocess(self, rgb: NDArray[np.uint8], prompts: PromptSet) -> LocatorInput:
        height, width = rgb.shape[:2]
        image = Image.fromarray(rgb)
        if max(image.size) * STRIP_PX[1] > min(image.size) * STRIP_PX[0]:
            image = image.resize(STRIP_PX if width > height else STRIP_PX[::-1])
        pixels = self._processor.image_processor(image, return_tensors="np")["pixel_values"][0]
        return LocatorInput(np.asarray(pixels, np.float32), width, height, prompts)

    @torch.inference_mode()
    def locate(self, inputs: Sequence[LocatorInput]) -> list[list[Detection]]:
        found: list[list[Detection]] = [[] for _ in inputs]
        for places, group in runs_of_equals(inputs, lambda entry: (entry.prompts, entry.pixels.shape)):
            for text in self._texts(group[0].prompts):
                for place, detections in zip(places, self._ask(text, group), strict=True):
                    merged = sorted(found[place] + detections, key=lambda detection: -detection.score)
                    found[place] = merged[:MOST_DETECTIONS]
        return found

    def _ask(self, text: _Text, group: Sequence[LocatorInput]) -> list[list[Detection]]:
        count = len(group)
        pixels = torch.from_numpy(np.stack([entry.pixels for entry in group])).to(self._device)
        self._text.features = text.features.expand(count, -1, -1)
        try:
            output = self._model(pixel_values=pixels, input_ids=text.input_ids.expand(count, -1))
        finally:
            self._text.features = None
        return [_detections(*rows, text) for rows in zip(output.logits, output.pred_boxes, group, strict=True)]

    @torch.inference_mode()
    def _embed_prompts(self, prompts: PromptSet) -> list[_Text]:
        """Joined texts of at most `max_text_len` tokens each, or one text of averaged features (L2R2, B.1)."""
        asked = [normalized_object_prompt(prompt) for prompt in prompts.prompts or DEFAULT_PROMPTS]
        longest = self._model.config.max_text_len
        runs = split_by_tokens(asked, lambda text: len(self._tokenizer(text)["input_ids"]), longest)
        if prompts.mode == "averaged" and len(asked) > 1:
            return [_averaged([self._embed((prompt,)) for prompt in asked])]
        return [self._embed(run) for run in runs]

    def _embed(self, prompts: tuple[str, ...]) -> _Text:
        tokens = self._tokenizer(joined(prompts), return_tensors="pt", return_offsets_mapping=True)
        ids = tokens["input_ids"].to(self._device)
        detector = self._model.model
        masks, positions = generate_masks_with_special_tokens_and_transfer_map(ids, detector.special_tokens)
        hidden = self._text.backbone(ids, masks[:, None], torch.zeros_like(ids), positions).last_hidden_state
        starts = np.cumsum([0] + [len(prompt) + 2 for prompt in prompts[:-1]])
        spans = [(int(start), int(start) + len(prompt)) for start, prompt in zip(starts, prompts, strict=True)]
        owners = [_owner(offset, spans) for offset in tokens["offset_mapping"][0].tolist()]
        for place, prompt in enumerate(prompts):
            if place not in owners:
                raise ValueError(f"{prompt[:40]!r} has no token that could be looked for")
        return _Text(ids, hidden, prompts, np.array(owners, np.intp))


def _owner(offset: Sequence[int], spans: Sequence[tuple[int, int]]) -> int:
    """The prompt whose characters a token covers, or -1 for a separator or a special token."""
    for place, (start, end) in enumerate(spans):
        if offset[1] > offset[0] and start <= offset[0] and offset[1] <= end:
            return place
    return -1


def _averaged(texts: Sequence[_Text]) -> _Text:
    """One text `[CLS] prompt . [SEP]` whose features are the means over several texts.

    A prompt of more tokens counts as the mean of its tokens, so that all have the same four places.
    """
    rows, first = [], texts[0]
    for text in texts:
        own = torch.from_numpy(text.prompt_of_token == 0).to(text.features.device)
        ends = text.features[0][[0, -2, -1]]
        rows.append(torch.stack([ends[0], text.features[0][own].mean(dim=0), ends[1], ends[2]]))
    features = torch.stack(rows).mean(dim=0, keepdim=True)
    content = int(np.flatnonzero(first.prompt_of_token == 0)[0])
    ids = first.input_ids[:, [0, content, -2, -1]]
    name = ", ".join(text.prompts[0] for text in texts)
    return _Text(ids, features, (name,), np.array([-1, 0, -1, -1], np.intp))


def _detections(logits: torch.Tensor, boxes: torch.Tensor, entry: LocatorInput, text: _Text) -> list[Detection]:
    """From `logits [queries, 256]` (minus infinity past the text's tokens) and `boxes [queries, 4]` (centre, size)."""
    tokens = logits.float().sigmoid()
    best = tokens.max(dim=-1).values
    kept = best >= LEAST_SCORE
    per_token = tokens[kept].cpu().numpy()[:, : len(text.prompt_of_token)]
    per_prompt = np.stack(
        [per_token[:, text.prompt_of_token == place].max(axis=1, initial=0.0) for place in range(len(text.prompts))], 1
    )
    centre, size = boxes[kept].float().split(2, dim=-1)
    side = torch.tensor([entry.width, entry.height] * 2, device=boxes.device)
    corners = torch.cat([centre - size / 2, centre + size / 2], dim=-1) * side
    return detections_in_picture(
        corners.cpu().numpy(),
        best[kept].cpu().numpy(),
        [text.prompts[index] for index in per_prompt.argmax(axis=1)],
        entry.width,
        entry.height,
    )
