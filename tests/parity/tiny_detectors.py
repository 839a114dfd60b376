"""Tiny GroundingDINO and OWLv2 folders: small configurations, seeded weights, scores spread over (0.05, 0.95)."""

from pathlib import Path

import torch
from tiny_tokenizers import bert_tokenizer, clip_tokenizer
from transformers import (
    BertConfig,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2ImageProcessor,
    Owlv2Processor,
    SwinConfig,
)

MAX_TEXT_TOKENS = 32
OWLV2_TEXT_TOKENS = 16


def save_grounding_dino(folder: Path) -> Path:
    """With 20 queries, which a strip of a few pixels' height cannot fill, as the published 900 cannot be."""
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            embed_dim=16, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 4], window_size=4, out_indices=[2, 3, 4]
        ),
        text_config=BertConfig(
            vocab_size=1100, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
        ),
        num_queries=20,
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        max_text_len=MAX_TEXT_TOKENS,
    )
    torch.manual_seed(3)
    model = GroundingDinoForObjectDetection(config)
    with torch.no_grad():
        # Logits are products of the decoder's normalized states and of text features; boxes start as their anchors.
        model.model.decoder.layer_norm.weight.fill_(0.25)
        for head in (*model.bbox_embed, model.model.encoder_output_bbox_embed):
            for layer in head.layers:
                layer.weight.normal_(std=0.12)
    model.save_pretrained(folder)
    processor = GroundingDinoImageProcessor(size={"shortest_edge": 96, "longest_edge": 160})
    GroundingDinoProcessor(processor, bert_tokenizer()).save_pretrained(folder)
    return folder


def save_owlv2(folder: Path) -> Path:
    tokenizer = clip_tokenizer()
    tower = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32, "intermediate_size": 64}
    text = {"max_position_embeddings": OWLV2_TEXT_TOKENS, "vocab_size": len(tokenizer)}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = Owlv2Config(
        text_config=tower | text | ends, vision_config=tower | {"image_size": 224, "patch_size": 32}, projection_dim=32
    )
    torch.manual_seed(5)
    model = Owlv2ForObjectDetection(config)
    with torch.no_grad():
        # Random features are all but alike, and so would be the scores of all prompts; heads start far too large.
        for weights in model.owlv2.parameters():
            if weights.ndim > 1:
                weights.mul_(3.0)
        for layer in (model.box_head.dense0, model.box_head.dense1, model.box_head.dense2):
            layer.weight.normal_(std=0.2)
        model.class_head.logit_shift.weight.mul_(0.1)
        model.class_head.logit_scale.weight.mul_(0.1)
        model.class_head.logit_scale.bias.fill_(5.0)
        for layer in (model.objectness_head.dense0, model.objectness_head.dense1, model.objectness_head.dense2):
            layer.weight.normal_(std=0.5)
    model.save_pretrained(folder)
    processor = Owlv2ImageProcessor(size={"height": 224, "width": 224})
    Owlv2Processor(processor, tokenizer).save_pretrained(folder)
    return folder
