"""Tiny open_clip folders: configurations as published, shrunk; random weights, spread so that pictures differ."""

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file
from tiny_tokenizers import save_siglip_tokenizer

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]
SIGLIP_LOGIT_SCALE = 4.7342  # half-way between two bfloat16 numbers
SIGLIP2: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 64,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 160,
            "timm_model_name": "test_vit2",
            "timm_model_pretrained": False,
            "timm_pool": "map",
            "timm_proj": "none",
        },
        "text_cfg": {
            "context_length": 64,
            "vocab_size": 300,
            "hf_tokenizer_name": "timm/ViT-B-16-SigLIP2-256",
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "width": 64,
            "heads": 4,
            "layers": 2,
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
            "norm_kwargs": {"eps": 1e-6},
            "act_kwargs": {"approximate": "tanh"},
        },
    },
    "preprocess_cfg": {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "resize_mode": "squash",
    },
}
CLIP: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 48,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 2},
    },
    "preprocess_cfg": {"mean": CLIP_MEAN, "std": CLIP_STD, "interpolation": "bicubic", "resize_mode": "shortest"},
}


def build(folder: Path, config: dict[str, Any], logit_scale: float) -> open_clip.CLIP:
    """A model of `config` with seeded weights; `folder` gets the configuration (and SigLIP2's tokenizer) alone."""
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    if "hf_tokenizer_name" in config["model_cfg"]["text_cfg"]:
        save_siglip_tokenizer(folder)
    torch.manual_seed(20)
    model = open_clip.create_model(f"local-dir:{folder}")
    with torch.no_grad():
        for name, weights in model.named_parameters():
            weights.mul_(3.0 if weights.ndim > 1 else 1.0)
            if name.endswith(("gamma", ".bias")):
                weights.normal_(std=0.3)
        model.logit_scale.fill_(logit_scale)
    return model


def save_siglip2(folder: Path) -> Path:
    model = build(folder, SIGLIP2, SIGLIP_LOGIT_SCALE)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


def save_clip(folder: Path) -> Path:
    model = build(folder, CLIP, 4.6052)
    save_file({name: rows.contiguous() for name, rows in model.state_dict().items()},
              folder / "open_clip_model.safetensors")  # fmt: skip
    return folder


def save_bioclip(folder: Path) -> Path:
    """As imageomics publishes BioCLIP: no safetensors, and no preprocessing but mean and std."""
    config = CLIP | {"preprocess_cfg": {"mean": CLIP_MEAN, "std": CLIP_STD}}
    config["model_cfg"] = {name: part for name, part in CLIP["model_cfg"].items() if name != "quick_gelu"}
    torch.save(build(folder, config, 4.6052).state_dict(), folder / "open_clip_pytorch_model.bin")
    return folder
