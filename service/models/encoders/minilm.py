"""all-MiniLM-L6-v2, a sentence encoder (Reimers and Gurevych 2019): mean pooling, unit length; through transformers."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import BertModel

from service.models.ports import Floats
from service.models.quiet import quiet_transformers
from service.recognition.scoring import unit

DIMENSIONS = 384
LONGEST_TOKENS = 256
TEXTS_AT_A_TIME = 64


class MiniLm:
    def __init__(self, folder: Path) -> None:
        quiet_transformers()
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(LONGEST_TOKENS)
        self._tokenizer.enable_padding()
        self._model = BertModel.from_pretrained(folder, local_files_only=True, add_pooling_layer=False).eval()

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> Floats:
        """Unit embeddings `[N, 384]`. Texts of like length share a model call, so that little is spent on padding."""
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        rows = torch.empty((len(texts), DIMENSIONS))
        for start in range(0, len(order), TEXTS_AT_A_TIME):
            places = order[start : start + TEXTS_AT_A_TIME]
            rows[places] = self._embed_batch([texts[place] for place in places])
        return unit(rows.numpy())

    def _embed_batch(self, texts: list[str]) -> torch.Tensor:
        encodings = self._tokenizer.encode_batch(texts)
        ids = torch.tensor([encoding.ids for encoding in encodings])
        mask = torch.tensor([encoding.attention_mask for encoding in encodings])
        hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask[:, :, None].to(hidden.dtype)
        mean: torch.Tensor = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
        return mean
