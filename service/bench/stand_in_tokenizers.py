"""Tiny tokenizers of the three kinds that the checkpoints carry, in the place of ones that would be downloaded."""

from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import BertTokenizer, CLIPTokenizer, PreTrainedTokenizerFast

LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
WORDS = ["cat", "dog", "bird", "red", "old", "car", "tree", "fish", "house", "boat", "object", "the", "a", "of"]


def save_siglip_tokenizer(folder: Path) -> None:
    """As SigLIP2's: no token in front, <eos> behind, padded with 0; unlike it, of bytes instead of 256000 pieces."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: place for place, token in enumerate(["<pad>", "<eos>", "<bos>", "<unk>", *alphabet])}
    merges = []
    for first, second in [("t", "h"), ("th", "e"), ("o", "f"), ("c", "a"), ("ca", "t"), ("d", "o"), ("do", "g")]:
        merges.append((first, second))
        vocab.setdefault(first + second, len(vocab))
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", padding_side="right"
    ).save_pretrained(folder)


def bert_tokenizer() -> BertTokenizer:
    """BERT's with its separators at their published ids, which GroundingDINO has written into its code."""
    fixed = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?", 1010: ","}
    free = iter([*WORDS, "-", *LETTERS, *(f"##{letter}" for letter in LETTERS), "##s", "##fish"])
    tokens = [fixed.get(place) or (next(free, None) if place > 103 else None) for place in range(1100)]
    vocab = {token or f"[unused{place}]": place for place, token in enumerate(tokens)}
    return BertTokenizer(vocab=vocab, do_lower_case=True)


def clip_tokenizer() -> CLIPTokenizer:
    """CLIP's byte pairs with few merges; its end token has the highest id, which is how the text is pooled."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = ["!", *(token for token in alphabet if token != "!"), *(f"{token}</w>" for token in alphabet)]
    merges = [("c", "a"), ("ca", "t</w>"), ("d", "o"), ("do", "g</w>"), ("o", "f</w>"), ("t", "h"), ("th", "e</w>")]
    tokens += [first + second for first, second in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={token: place for place, token in enumerate(tokens)},
        merges=merges,  # type: ignore[arg-type]
        pad_token="!",
        model_max_length=16,
    )
