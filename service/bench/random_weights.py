"""Checkpoints of the published shapes with random weights: speed and memory do not depend on what the weights are.

Nothing is downloaded: the tokenizers are stand-ins with the few tokens that a measurement needs.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file
from transformers import (
    BertConfig,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    SwinConfig,
)

from service.bench.stand_in_tokenizers import bert_tokenizer, clip_tokenizer, save_siglip_tokenizer
from service.errors import SettingsError

SIGLIP2 = "ViT-SO400M-16-SigLIP2-256"
CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def save_siglip2(folder: Path) -> None:
    """SigLIP2 SO400M/16-256 as open_clip publishes it; the stand-in tokenizer's ids are all below its 256000."""
    _save_open_clip(folder, SIGLIP2, {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"})
    save_siglip_tokenizer(folder)


def save_clip_b(folder: Path) -> None:
    """OpenAI's CLIP B/32 as open_clip publishes it; its tokenizer is part of open_clip."""
    _save_open_clip(folder, "ViT-B-32", {"mean": CLIP_MEAN, "std": CLIP_STD, "resize_mode": "shortest"})


def save_clip_l(folder: Path) -> None:
    """OpenAI's CLIP L/14, likewise."""
    _save_open_clip(folder, "ViT-L-14", {"mean": CLIP_MEAN, "std": CLIP_STD, "resize_mode": "shortest"})


def save_grounding_dino(folder: Path) -> None:
    """As IDEA-Research/grounding-dino-tiny: Swin-tiny, BERT-base, 900 queries, sides of 800 to 1333 pixels."""
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            embed_dim=96,
            depths=[2, 2, 6, 2],
            num_heads=[3, 6, 12, 24],
            window_size=7,
            out_indices=[2, 3, 4],  # type: ignore[call-arg]
        ),
        text_config=BertConfig(),
    )
    assert (config.num_queries, config.d_model, config.encoder_layers, config.decoder_layers) == (900, 256, 6, 6)
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    processor = GroundingDinoImageProcessor(size={"shortest_edge": 800, "longest_edge": 1333})
    GroundingDinoProcessor(processor, bert_tokenizer()).save_pretrained(folder)


def save_transformers_clip_b(folder: Path) -> None:
    """CLIP B/32 as transformers publishes it, for peers that read no other."""
    tokenizer = clip_tokenizer()
    config = CLIPConfig(
        text_config={"eos_token_id": len(tokenizer) - 1, "bos_token_id": len(tokenizer) - 2},
        vision_config={"patch_size": 32},
    )
    CLIPModel(config).save_pretrained(folder)
    CLIPProcessor(CLIPImageProcessor(), tokenizer).save_pretrained(folder)


ENCODERS: Mapping[str, Callable[[Path], None]] = {
    "siglip2-so400m": save_siglip2,
    "clip-b": save_clip_b,
    "clip-l": save_clip_l,
}
LOCALIZERS: Mapping[str, Callable[[Path], None]] = {"grounding-dino-tiny": save_grounding_dino}


def save_random_weights(localizer: str, encoder: str, folder: Path) -> dict[str, str]:
    """Settings that name new folders for both models; a localizer `none` stays as it is.

    Raises:
        SettingsError: there is no maker for a model of that name.
    """
    torch.manual_seed(1)
    made = {}
    for kind, name, makers in (("localizer", localizer, LOCALIZERS), ("encoder", encoder, ENCODERS)):
        if name == "none":
            continue
        if name not in makers:
            raise SettingsError(f"no random weights for the {kind} {name}; known: {', '.join(makers)}")
        makers[name](folder / kind)
        made[kind] = str(folder / kind)
    return made


def _save_open_clip(folder: Path, name: str, preprocess: Mapping[str, object]) -> None:
    folder.mkdir(parents=True)
    config = {
        "model_cfg": open_clip.get_model_config(name),
        "preprocess_cfg": {"interpolation": "bicubic", **preprocess},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(open_clip.create_model(name).state_dict(), folder / "open_clip_model.safetensors")
