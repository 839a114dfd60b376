"""Tiny SAM and SAM 2 folders: small configurations and seeded weights whose masks have an inside and an outside."""

import json
from pathlib import Path

import torch
from transformers import (
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2ImageProcessor,
    Sam2MaskDecoderConfig,
    Sam2Model,
    Sam2Processor,
    Sam2PromptEncoderConfig,
    Sam2VideoConfig,
    Sam2VideoModel,
    Sam2VisionConfig,
    SamConfig,
    SamImageProcessor,
    SamMaskDecoderConfig,
    SamModel,
    SamProcessor,
    SamPromptEncoderConfig,
    SamVisionConfig,
)

SIDE_PX = 128
WIDTH = 32
DECODER = {"hidden_size": WIDTH, "mlp_dim": 64, "num_attention_heads": 2, "iou_head_hidden_dim": 32}


def save_sam(folder: Path) -> Path:
    config = SamConfig(
        vision_config=SamVisionConfig(
            hidden_size=32,
            output_channels=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=SIDE_PX,
            window_size=4,
            global_attn_indexes=[1],
            num_pos_feats=WIDTH // 2,
        ),
        prompt_encoder_config=SamPromptEncoderConfig(hidden_size=WIDTH, image_size=SIDE_PX),
        mask_decoder_config=SamMaskDecoderConfig(**DECODER),
    )
    torch.manual_seed(7)
    model = SamModel(config)
    _enliven(model)
    model.save_pretrained(folder)
    square = {"height": SIDE_PX, "width": SIDE_PX}
    SamProcessor(SamImageProcessor(size={"longest_edge": SIDE_PX}, pad_size=square)).save_pretrained(folder)
    return folder


def save_sam2(folder: Path) -> Path:
    torch.manual_seed(9)
    model = Sam2Model(Sam2Config(**_sam2_parts()))
    _enliven(model)
    model.save_pretrained(folder)
    Sam2Processor(_sam2_images()).save_pretrained(folder)
    return folder


def save_sam2_video(folder: Path) -> Path:
    """In the layout of the published SAM 2.1: a video model, and a video processor's settings beside the images'."""
    torch.manual_seed(9)
    memory = {"memory_attention_num_layers": 1, "memory_fuser_num_layers": 1, "memory_encoder_output_channels": 16}
    widths = dict.fromkeys(("memory_attention_hidden_size", "memory_encoder_hidden_size"), WIDTH)
    fused = dict.fromkeys(("mask_downsampler_embed_dim", "memory_fuser_embed_dim"), WIDTH)
    model = Sam2VideoModel(Sam2VideoConfig(**_sam2_parts(), **memory, **widths, **fused))
    _enliven(model)
    model.save_pretrained(folder)
    _sam2_images().save_pretrained(folder)
    processor = {"point_pad_value": -10, "processor_class": "Sam2VideoProcessor", "target_size": SIDE_PX}
    (folder / "processor_config.json").write_text(json.dumps(processor), encoding="utf-8")
    return folder


def _sam2_parts() -> dict[str, object]:
    trunk = Sam2HieraDetConfig(
        hidden_size=8,
        image_size=[SIDE_PX, SIDE_PX],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[4, 4, 4, 4],
        window_positional_embedding_background_size=[4, 4],
        global_attention_blocks=[3],
    )
    sizes = [[SIDE_PX // part] * 2 for part in (4, 8, 16)]
    return {
        "vision_config": Sam2VisionConfig(
            backbone_config=trunk,
            backbone_channel_list=[64, 32, 16, 8],
            backbone_feature_sizes=sizes,
            fpn_hidden_size=WIDTH,
        ),
        "prompt_encoder_config": Sam2PromptEncoderConfig(hidden_size=WIDTH, image_size=SIDE_PX),
        "mask_decoder_config": Sam2MaskDecoderConfig(**DECODER),
    }


def _sam2_images() -> Sam2ImageProcessor:
    return Sam2ImageProcessor(size={"height": SIDE_PX, "width": SIDE_PX})


def _enliven(model: torch.nn.Module) -> None:
    """Fresh weights are so small, or zero, that the mask of any picture and box would be the same."""
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim > 1:
                weights.normal_(std=1.2 * (weights[0].numel()) ** -0.5)
