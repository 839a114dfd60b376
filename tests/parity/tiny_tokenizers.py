"""The tokenizers of checkpoints with random weights."""

from service.bench.stand_in_tokenizers import WORDS, bert_tokenizer, clip_tokenizer, save_siglip_tokenizer

__all__ = ["WORDS", "bert_tokenizer", "clip_tokenizer", "save_siglip_tokenizer"]
