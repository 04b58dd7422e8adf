"""Prepares a pretrained Llama for training: prunes its vocabulary to code, and adds our special tokens.

Embeddings are a fifth of a model of 135 M parameters, and code needs less than half of the entries; the README has a
table of bytes per token.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aix_lsp.training import export, vocabulary
from training.tokenizer import save_tokenizer
from training.transplant import EMBEDDINGS

log = logging.getLogger(__name__)

# SmolLM2's tokens for the same purpose (Allal et al. 2025), or ones it never saw, whose embeddings are near zero.
FORMER = {
    vocabulary.END: "<|endoftext|>",
    vocabulary.PREFIX: "<issue_start>",
    vocabulary.SUFFIX: "<issue_comment>",
    vocabulary.MIDDLE: "<issue_closed>",
    vocabulary.FILE: "<file_sep>",
    vocabulary.PAD: "<empty_output>",
    vocabulary.REPOSITORY: "<repo_name>",
}
_BATCH = 256  # texts per tokenised batch


def prepare(model: Path, texts: Iterable[str], entries: int, out: Path) -> None:
    """Write the model to `out`, with only the `entries` tokens that `texts` use most.

    Raises KeyError if its tokenizer lacks one of the special tokens that ours replace.
    """
    weights, shape = export.read_model(model)
    data = json.loads((model / "tokenizer.json").read_text())
    split_digits(data)
    kept = prune(data, count_tokens(data, texts), entries)
    rows = weights[EMBEDDINGS][torch.tensor(kept)]
    moved: dict[str, Tensor] = {**weights, EMBEDDINGS: rows}
    out.mkdir(parents=True, exist_ok=True)
    save_tokenizer(_tokenizer(data), out, shape.context)
    export.write_model(moved, replace(shape, vocabulary=len(kept)), out, out)


def split_digits(data: dict[str, Any]) -> None:
    """Restore what a tokenizer.json made from a GGUF file lacks: SmolLM2 splits digits."""
    data["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        ],
    }


def count_tokens(data: dict[str, Any], texts: Iterable[str]) -> Counter[int]:
    """How often the tokenizer produces each id for these texts."""
    tokenizer = _tokenizer(data)
    tokenizer.encode_special_tokens = True
    counts: Counter[int] = Counter()
    for batch in _batches(texts):
        for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False):
            counts.update(encoding.ids)
    return counts


def prune(data: dict[str, Any], counts: Counter[int], entries: int) -> list[int]:
    """Reduce a byte-level BPE in tokenizer.json's format to `entries`; returns the old id of each new one.

    A token is kept along with everything that its merges need. Our special tokens come first.
    """
    old: dict[str, int] = data["model"]["vocab"]
    merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in data["model"]["merges"]]
    parts = {left + right: (left, right) for left, right in reversed(merges)}
    special = {token["content"] for token in data["added_tokens"]}
    kept = {name for name in old if len(name) == 1 and name not in special}
    room = entries - len(vocabulary.SPECIALS)
    for name in sorted(old, key=lambda name: (-counts[old[name]], old[name])):
        needed = _needed(name, parts) - kept
        if name not in special and len(kept) + len(needed) <= room:
            kept |= needed
    former = [old[FORMER[name]] for name in vocabulary.SPECIALS]
    names = sorted(kept, key=lambda name: old[name])
    every = [*vocabulary.SPECIALS, *names]
    data["model"]["vocab"] = {name: number for number, name in enumerate(every)}
    data["model"]["merges"] = [m for m in merges if {*m, "".join(m)} <= kept]
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    data["added_tokens"] = [
        {"id": number, "content": name, **plain} for number, name in enumerate(vocabulary.SPECIALS)
    ]
    return [*former, *(old[name] for name in names)]


def bytes_a_token(data: dict[str, Any], texts: Sequence[str]) -> float:
    """Mean number of bytes per token."""
    return sum(len(text.encode()) for text in texts) / count_tokens(data, texts).total()


def _needed(name: str, parts: dict[str, tuple[str, str]]) -> set[str]:
    """A token and everything that it is merged from."""
    found, open_ends = {name}, [name]
    while open_ends:
        for part in parts.get(open_ends.pop(), ()):
            if part not in found:
                found.add(part)
                open_ends.append(part)
    return found


def _tokenizer(data: dict[str, Any]) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_str(json.dumps(data))


def _batches(texts: Iterable[str]) -> Iterable[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
