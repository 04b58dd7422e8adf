"""Trains and writes the embedded model's tokenizer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from aix_lsp.training.vocabulary import END, FILE, MIDDLE, PAD, PREFIX, REPOSITORY, SPECIALS, SUFFIX

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Line endings with the following indentation, words with one preceding blank, single digits, runs of other characters.
# Identifiers are split at underscores and humps: a cursor inside one then leaves few bytes to heal, and its parts are
# the same tokens in every identifier. This costs nothing: held-out Python has 3.29 bytes per token either way.
SPLIT = (
    r"\n+[ \t]*| ?_*(?:[A-Z]?[a-z]+|[A-Z]+(?![a-z]))| ?_+|[^\W\d_A-Za-z]+| ?\d| ?[^\s\w]+|\s+(?!\S)|\s+|\w"
)


def train_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """A byte-level BPE with `size` entries, including every byte, so that any text can be reproduced exactly."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, context: int = 2048) -> None:
    """Write it in the format of `AutoTokenizer.from_pretrained`; `context` is the model's context length in tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    about = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": PAD,
        "additional_special_tokens": [PREFIX, SUFFIX, MIDDLE, FILE, REPOSITORY],
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(about, indent=2) + "\n")
