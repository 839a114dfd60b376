"""all-MiniLM-L6-v2, a sentence encoder (Reimers and Gurevych 2019): BERT (Devlin et al. 2019), mean pooling, unit rows.

It runs on torch's own transformer layers, which are BERT's. Loading it through transformers gives the same vectors (a
test compares them) and takes 240 MB and some seconds more at every start.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn

from service.models.ports import Floats
from service.recognition.scoring import unit

LONGEST_TOKENS = 256
TEXTS_AT_A_TIME = 64
_LAYER_PARTS = {
    "self_attn.out_proj": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "linear1": "intermediate.dense",
    "linear2": "output.dense",
    "norm2": "output.LayerNorm",
}


class MiniLm:
    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(LONGEST_TOKENS)
        self._tokenizer.enable_padding()
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._model = _Bert(config)
        self._model.load_state_dict(_torch_names(load_file(folder / "model.safetensors"), config["num_hidden_layers"]))
        self._model.eval()

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> Floats:
        """Unit embeddings `[N, 384]`. Texts of like length share a model call, so that little is spent on padding."""
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        rows = torch.empty((len(texts), self._model.width))
        for start in range(0, len(order), TEXTS_AT_A_TIME):
            places = order[start : start + TEXTS_AT_A_TIME]
            rows[places] = self._embed_batch([texts[place] for place in places])
        return unit(rows.numpy())

    def _embed_batch(self, texts: list[str]) -> torch.Tensor:
        encodings = self._tokenizer.encode_batch(texts)
        ids = torch.tensor([encoding.ids for encoding in encodings])
        mask = torch.tensor([encoding.attention_mask for encoding in encodings])
        hidden = self._model(ids, mask)
        weights = mask[:, :, None].to(hidden.dtype)
        mean: torch.Tensor = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
        return mean


class _Bert(nn.Module):
    """BERT without its pooler: token ids and mask `[N, T]` to hidden states `[N, T, width]`."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.width, epsilon = config["hidden_size"], config["layer_norm_eps"]
        self.words = nn.Embedding(config["vocab_size"], self.width)
        self.positions = nn.Embedding(config["max_position_embeddings"], self.width)
        self.types = nn.Embedding(config["type_vocab_size"], self.width)
        self.norm = nn.LayerNorm(self.width, epsilon)
        layer = nn.TransformerEncoderLayer(
            self.width,
            config["num_attention_heads"],
            config["intermediate_size"],
            activation=config["hidden_act"],
            layer_norm_eps=epsilon,
            batch_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, config["num_hidden_layers"], enable_nested_tensor=False)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        places = torch.arange(ids.shape[1])
        embedded = self.words(ids) + self.types.weight[0] + self.positions(places)
        hidden: torch.Tensor = self.encoder(self.norm(embedded), src_key_padding_mask=mask == 0)
        return hidden


def _torch_names(published: Mapping[str, torch.Tensor], layers: int) -> dict[str, torch.Tensor]:
    """The published tensors under the names of torch's layers, query, key and value as one."""
    embeddings = {"words": "word", "positions": "position", "types": "token_type"}
    named = {f"{own}.weight": published[f"embeddings.{theirs}_embeddings.weight"] for own, theirs in embeddings.items()}
    for kind in ("weight", "bias"):
        named[f"norm.{kind}"] = published[f"embeddings.LayerNorm.{kind}"]
        for number in range(layers):
            own, theirs = f"encoder.layers.{number}", f"encoder.layer.{number}"
            attention = [published[f"{theirs}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            named[f"{own}.self_attn.in_proj_{kind}"] = torch.cat(attention)
            for part, name in _LAYER_PARTS.items():
                named[f"{own}.{part}.{kind}"] = published[f"{theirs}.{name}.{kind}"]
    return named
