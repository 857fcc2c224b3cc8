"""Tiny random models of every allowed family, with a tokenizer learned from the shipped reviews."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, PreTrainedTokenizerFast

from regime.models.checks import MASKED, TYPES
from regime.models.texts import _reviews

SMALL = {
    "bert": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32},
    "roberta": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
    "electra": {
        "embedding_size": 8,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    },
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2},
    "gpt_neo": {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "attention_types": [[["global", "local"], 1]]},
    "gpt_neox": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
    "llama": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
    "qwen2": {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "intermediate_size": 32,
    },
    "opt": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 32, "word_embed_proj_dim": 16},
}
assert set(SMALL) == set(TYPES)
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "<mask>"]


@cache
def tokenizer(masked: bool) -> PreTrainedTokenizerFast:
    """Whole words in lower case for masked models, byte pairs for the others."""
    texts = _reviews("sentiment").texts
    if masked:
        inner = Tokenizer(models.WordPiece(unk_token="<unk>"))
        inner.normalizer = normalizers.BertNormalizer()
        inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        inner.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(vocab_size=800, special_tokens=SPECIAL)
    else:
        inner = Tokenizer(models.BPE())
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=800, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        )
    inner.train_from_iterator([*texts, *[" great terrible movie product"] * 20], trainer)
    if masked:
        ends = [(name, inner.token_to_id(name)) for name in ("<s>", "</s>")]
        inner.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
        return PreTrainedTokenizerFast(
            tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", mask_token="<mask>", bos_token="<s>", eos_token="</s>"
        )
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>", bos_token="<s>")


def write(folder: Path, family: str, *, language_model: bool, seed: int = 0, **fields: object) -> Path:
    """Save a random model of the family there, as `save_pretrained` does; `fields` are of its configuration."""
    masked = family in MASKED
    words = tokenizer(masked)
    length = "n_positions" if family == "gpt2" else "max_position_embeddings"
    vocabulary = {"vocab_size": len(words) + 8}  # Qwen's tokenizer adds tokens of its own
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = AutoConfig.for_model(family, **vocabulary | special | {length: 160} | SMALL[family] | fields)
    kind = AutoModel if not language_model else AutoModelForMaskedLM if masked else AutoModelForCausalLM
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        kind.from_config(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


@contextmanager
def named() -> Iterator[str]:
    """A random BERT, there by its name until the block ends."""
    with TemporaryDirectory() as folder, patch.dict(os.environ, REGIME_MODELS_DIR=folder):
        yield write(Path(folder) / "tiny-bert", "bert", language_model=False).name
