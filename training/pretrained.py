"""Prepares a pretrained Llama for training: prunes its vocabulary to code, and adds our special tokens.

Embeddings are a fifth of a model of 135 M parameters, and code needs less than half of the entries; see the table
of bytes a token in the README.
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

# What SmolLM2 has for the same purpose (Allal et al. 2025), or never saw: those begin near nothing.
FORMER = {
    vocabulary.END: "<|endoftext|>",
    vocabulary.PREFIX: "<issue_start>",
    vocabulary.SUFFIX: "<issue_comment>",
    vocabulary.MIDDLE: "<issue_closed>",
    vocabulary.FILE: "<file_sep>",
    vocabulary.PAD: "<empty_output>",
    vocabulary.REPOSITORY: "<repo_name>",
}
_BATCH = 256  # texts tokenised at a time


def prepare(model: Path, texts: Iterable[str], entries: int, out: Path) -> None:
    """Write the model in `model` with the `entries` tokens that these texts use most to the folder `out`.

    KeyError where its tokenizer lacks one of the special tokens that ours take the place of.
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
    """Restore what a tokenizer.json that was made from a GGUF lacks: SmolLM2 reads digits one by one."""
    data["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        ],
    }


def count_tokens(data: dict[str, Any], texts: Iterable[str]) -> Counter[int]:
    """How often each id comes when the tokenizer reads these texts."""
    tokenizer = _tokenizer(data)
    tokenizer.encode_special_tokens = True
    counts: Counter[int] = Counter()
    for batch in _batches(texts):
        for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False):
            counts.update(encoding.ids)
    return counts


def prune(data: dict[str, Any], counts: Counter[int], entries: int) -> list[int]:
    """Reduce a byte-level BPE, as tokenizer.json has it, to `entries`; the old id of each new one is returned.

    A token stays with all that its merge is made of, so that it is still reached. Our special tokens come first.
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
    """How much text a token of this tokenizer holds."""
    return sum(len(text.encode()) for text in texts) / count_tokens(data, texts).total()


def _needed(name: str, parts: dict[str, tuple[str, str]]) -> set[str]:
    """A token and all that it is merged from."""
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
