"""GroundingDINO's texts: prompts joined or averaged, and the text backbone's features, computed once for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.models.grounding_dino.modeling_grounding_dino import (
    generate_masks_with_special_tokens_and_transfer_map,
)

from service.models.device import Device
from service.models.hardware import Hardware
from service.models.ports import PromptSet
from service.recognition.prompts import joined, normalized_object_prompt, split_by_tokens

DEFAULT_PROMPTS = ("object",)


@dataclass(frozen=True)
class Text:
    """One text that the detector is asked with."""

    input_ids: torch.Tensor  # [1, T]
    features: torch.Tensor  # [1, T, hidden] of the text backbone
    prompts: tuple[str, ...]
    prompt_of_token: NDArray[np.intp]  # [T], -1 for separators


class KeptTextBackbone(torch.nn.Module):
    """Stands in the text backbone's place and hands out features that were computed before."""

    def __init__(self, backbone: torch.nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.features: torch.Tensor | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self.features is None:
            return self.backbone(*args, **kwargs)
        return SimpleNamespace(last_hidden_state=self.features)


class TextEmbedder:
    """Works beside the detector, from any thread.

    Args:
        detector: transformers' model; its text backbone is replaced by one that hands out what `kept` holds.
    """

    def __init__(self, detector: Any, tokenizer: Any, hardware: Hardware) -> None:
        self._detector, self._tokenizer = detector, tokenizer
        # A stream of its own: what another thread sends into a stream while a graph is captured there ends up in it.
        self._device = Device(hardware)
        self.kept = KeptTextBackbone(detector.text_backbone)
        detector.text_backbone = self.kept

    def __call__(self, prompts: PromptSet) -> list[Text]:
        """Joined texts of at most `max_text_len` tokens each, or one text of averaged features (L2R2, B.1).

        Raises:
            ValueError: a prompt of too many tokens, or of none.
        """
        asked = [normalized_object_prompt(prompt) for prompt in prompts.prompts or DEFAULT_PROMPTS]
        longest = self._detector.config.max_text_len
        runs = split_by_tokens(asked, lambda text: len(self._tokenizer(text)["input_ids"]), longest)
        with self._device.running():
            if prompts.mode == "averaged" and len(asked) > 1:
                texts = [_averaged([self._embed((prompt,)) for prompt in asked])]
            else:
                texts = [self._embed(run) for run in runs]
            self._device.finish()
        return texts

    def _embed(self, prompts: tuple[str, ...]) -> Text:
        tokens = self._tokenizer(joined(prompts), return_tensors="np", return_offsets_mapping=True)
        ids: Any = self._device.send(tokens["input_ids"])
        masks, positions = generate_masks_with_special_tokens_and_transfer_map(ids, self._detector.special_tokens)
        hidden = self.kept.backbone(ids, masks[:, None], torch.zeros_like(ids), positions).last_hidden_state
        starts = np.cumsum([0] + [len(prompt) + 2 for prompt in prompts[:-1]])
        spans = [(int(start), int(start) + len(prompt)) for start, prompt in zip(starts, prompts, strict=True)]
        owners = [_owner(offset, spans) for offset in tokens["offset_mapping"][0].tolist()]
        for place, prompt in enumerate(prompts):
            if place not in owners:
                raise ValueError(f"{prompt[:40]!r} has no token that could be looked for")
        return Text(ids, hidden, prompts, np.array(owners, np.intp))


def _owner(offset: Sequence[int], spans: Sequence[tuple[int, int]]) -> int:
    """The prompt whose characters a token covers, or -1 for a separator or a special token."""
    for place, (start, end) in enumerate(spans):
        if offset[1] > offset[0] and start <= offset[0] and offset[1] <= end:
            return place
    return -1


def _averaged(texts: Sequence[Text]) -> Text:
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
    return Text(ids, features, (name,), np.array([-1, 0, -1, -1], np.intp))
