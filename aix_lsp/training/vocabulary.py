"""The tokenizer: how it is trained, and the special tokens every part of the pipeline agrees on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from aix_lsp.fim.family import Template
from aix_lsp.fim.templates import detect

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END, PREFIX, SUFFIX, MIDDLE, FILE, PAD, REPOSITORY = (
    "<|endoftext|>",
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_middle|>",
    "<|file|>",
    "<|pad|>",
    "<|repo|>",
)
SPECIALS = (END, PREFIX, SUFFIX, MIDDLE, FILE, PAD, REPOSITORY)

# Line ends with the indentation after them, words with one blank before them, single digits, runs of signs.
# Identifiers are cut at underscores and humps, so that a cursor inside one leaves few bytes to heal, and its
# parts are the same tokens in every identifier.
# It costs nothing: held-out Python has 3.29 bytes a token either way.
SPLIT = (
    r"\n+[ \t]*| ?_*(?:[A-Z]?[a-z]+|[A-Z]+(?![a-z]))| ?_+|[^\W\d_A-Za-z]+| ?\d| ?[^\s\w]+|\s+(?!\S)|\s+|\w"
)


def train_tokenizer(texts: Iterable[str], size: int, split: str = SPLIT) -> Tokenizer:
    """A byte-level BPE of `size` entries; every byte is one of them, so that any text comes back exactly."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), behavior="isolated"),
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


def template_of(known: dict[str, int]) -> Template:
    """How the model of a tokenizer with these entries wants its prompt. ValueError where it cannot fill in."""
    template = detect(known)
    if template is None:
        raise ValueError("the model's tokenizer has no fill-in-the-middle tokens: it cannot complete code")
    return template


class Codec:
    """Text to ids and back, where a special token's name inside a text stays text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        tokenizer.encode_special_tokens = True
        self.size: int = tokenizer.get_vocab_size()
        self._ids: dict[str, int] = tokenizer.get_vocab()
        self.end, self.pad = self._ids[END], self._ids[PAD]

    @property
    def template(self) -> Template:
        """See `template_of`."""
        return template_of(self._ids)

    def special(self, name: str) -> int:
        """The id of a special token. KeyError where there is none of that name."""
        return self._ids[name]

    @classmethod
    def load(cls, folder: Path) -> Codec:
        """From a folder with a `tokenizer.json`."""
        from tokenizers import Tokenizer

        return cls(Tokenizer.from_file(str(folder / "tokenizer.json")))

    def encode(self, text: str) -> list[int]:
        """Ids of a text; none of them is special."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: list[int]) -> str:
        """The text of ids; special ones give nothing."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text
