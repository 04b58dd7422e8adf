"""How the embedded model's tokenizer is trained and written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from aix_lsp.training.vocabulary import END, FILE, MIDDLE, PAD, PREFIX, REPOSITORY, SPECIALS, SUFFIX

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Line ends with the indentation after them, words with one blank before them, single digits, runs of signs.
# Identifiers are cut at underscores and humps, so that a cursor inside one leaves few bytes to heal, and its
# parts are the same tokens in every identifier.
# It costs nothing: held-out Python has 3.29 bytes a token either way.
SPLIT = (
    r"\n+[ \t]*| ?_*(?:[A-Z]?[a-z]+|[A-Z]+(?![a-z]))| ?_+|[^\W\d_A-Za-z]+| ?\d| ?[^\s\w]+|\s+(?!\S)|\s+|\w"
)


def train_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """A byte-level BPE of `size` entries; every byte is one of them, so that any text comes back exactly."""
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
    """Write it as `AutoTokenizer.from_pretrained` expects it; `context` are the tokens that its model can read."""
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
