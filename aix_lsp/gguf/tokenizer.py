"""Converts a GGUF file's tokenizer to transformers' files. Knows vocabularies; knows no weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aix_lsp.fim.templates import GENERIC, detect
from aix_lsp.gguf.header import GgufError, Header, damage

_CONTROL, _USER_DEFINED = 3, 4
_LONGEST_TOKEN, _MOST_CHARACTERS = 1024, 1 << 25
"""Of a vocabulary. Merges are made by trying each cut of each entry."""

# How a byte-level tokenizer splits text before it merges bytes, by llama.cpp's names (`tokenizer.ggml.pre`).
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
_DIGITS = r"\p{N}"
_DEEPSEEK_CODER = (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥ࠀ-一가-퟿]+", _DIGITS)
_CUTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("", "default", "gpt-2", "olmo", "dolma", "phi-2", "mpt"), (_GPT2,)),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell"), (_DIGITS, _GPT2)),
    **dict.fromkeys(("llama3", "llama-v3", "llama-bpe", "falcon3", "smaug-bpe", "dbrx"), (_LLAMA3,)),
    **dict.fromkeys(("qwen2", "stablelm2", "deepseek-r1-qwen", "megrez"), (_QWEN2,)),
    "deepseek-coder": _DEEPSEEK_CODER,
}

# The markers for a model that has such tokens under other names.
_MARKERS = dict(zip(("fim_pre", "fim_suf", "fim_mid"), GENERIC.markers, strict=True))
_FORMER_KEYS = {"fim_pre": "prefix", "fim_suf": "suffix", "fim_mid": "middle"}


def names(header: Header) -> list[str]:
    """The vocabulary, in the order of ids. Raises GgufError if there is none."""
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, list) or not tokens:
        raise GgufError("it contains no tokenizer")
    found = [str(token) for token in tokens]
    sizes = list(map(len, found))
    if max(sizes) > _LONGEST_TOKEN or sum(sizes) > _MOST_CHARACTERS:
        raise GgufError("its tokenizer has entries that are too long")
    return found


@damage()
def special_names(header: Header) -> frozenset[str]:
    """The tokens that identify a fill-in-the-middle family, including markers that are given only by id."""
    kinds = header.metadata.get("tokenizer.ggml.token_type") or []
    found = {
        name for name, kind in zip(names(header), kinds, strict=False) if kind in {_CONTROL, _USER_DEFINED}
    }
    renamed = _renamed(header, names(header))
    return frozenset({renamed.get(name, name) for name in found} | set(renamed.values()))


@damage()
def write_tokenizer(header: Header, folder: Path) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json`. Raises GgufError for an unknown kind of tokenizer."""
    model = header.metadata.get("tokenizer.ggml.model")
    if model == "gpt2":
        tokenizer = _byte_level(header)
    elif model == "llama":
        tokenizer = _sentencepiece(header)
    else:
        raise GgufError(f"its tokenizer has an unsupported type ({model})")
    tokenizer.save(str(folder / "tokenizer.json"))
    every = names(header)
    about: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": int(header.of_architecture("context_length") or 2048),
    }
    for key in ("bos", "eos", "unknown", "padding"):
        token = header.metadata.get(f"tokenizer.ggml.{key}_token_id")
        if isinstance(token, int) and 0 <= token < len(every):
            about[f"{ {'unknown': 'unk', 'padding': 'pad'}.get(key, key) }_token"] = every[token]
    (folder / "tokenizer_config.json").write_text(json.dumps(about, indent=1))


def _byte_level(header: Header) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    pre = str(header.metadata.get("tokenizer.ggml.pre", ""))
    if pre not in _CUTS:
        raise GgufError(f"it uses an unknown pre-tokenizer ({pre})")
    every = names(header)
    renamed = _renamed(header, every)
    vocabulary = {renamed.get(name, name): number for number, name in enumerate(every)}
    merges = header.metadata.get("tokenizer.ggml.merges")
    if not isinstance(merges, list) or not merges:
        raise GgufError("its tokenizer has no merges")  # it would cut all text into single bytes
    pairs = [tuple(merge.split(" ", 1)) for merge in merges]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    cuts = [pre_tokenizers.Split(Regex(cut), behavior="isolated") for cut in _CUTS[pre]]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*cuts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    _add_special(tokenizer, header, [renamed.get(name, name) for name in every])
    return tokenizer


def _sentencepiece(header: Header) -> Any:
    """A tokenizer of pieces with scores, which transformers turns into merges."""
    from transformers import LlamaTokenizer
    from transformers.tokenization_utils_base import generate_merges

    every = names(header)
    vocabulary = {name: number for number, name in enumerate(every)}
    scores = header.metadata.get("tokenizer.ggml.scores")
    if not isinstance(scores, list) or len(scores) != len(every):
        raise GgufError("its tokenizer has no scores")
    merges = generate_merges(vocabulary, dict(zip(every, scores, strict=True)))
    tokenizer = LlamaTokenizer(vocab=vocabulary, merges=merges).backend_tokenizer
    _add_special(tokenizer, header, every)
    return tokenizer


def _add_special(tokenizer: Any, header: Header, every: list[str]) -> None:
    from tokenizers import AddedToken

    kinds = header.metadata.get("tokenizer.ggml.token_type") or []
    typed = list(zip(every, kinds, strict=False))
    markers = set(_MARKERS.values())
    control = [name for name, kind in typed if kind == _CONTROL or name in markers]
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in control])
    tokenizer.add_tokens(
        [
            AddedToken(name, normalized=False)
            for name, kind in typed
            if kind == _USER_DEFINED and name not in markers
        ]
    )


def _renamed(header: Header, every: list[str]) -> dict[str, str]:
    """Markers that the file gives only by their ids, and their names here; empty if a family is known by its own
    names.
    """
    if detect(every) is not None:
        return {}
    found = {}
    for key, marker in _MARKERS.items():
        number = header.metadata.get(f"tokenizer.ggml.{key}_token_id")
        if number is None:
            number = header.metadata.get(f"tokenizer.ggml.{_FORMER_KEYS[key]}_token_id")
        if not isinstance(number, int) or not 0 <= number < len(every):
            return {}
        found[every[number]] = marker
    return found
