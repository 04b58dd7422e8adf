"""Replaces a model's embeddings to fit another tokenizer; all other weights stay. Knows no files or training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from aix_lsp.training.vocabulary import FILE, REPOSITORY, SPECIALS

if TYPE_CHECKING:
    from tokenizers import Tokenizer

EMBEDDINGS = "model.embed_tokens.weight"


def transplant(weights: dict[str, Tensor], old: Tokenizer, new: Tokenizer) -> dict[str, Tensor]:
    """The weights, with embeddings [entries of `new`, hidden] in place of [entries of `old`, hidden].

    Both are byte-level. An entry that the old tokenizer also has keeps its row; any other starts as the mean of the
    rows of the tokens that spell it (Gee et al. 2022, "Fast Vocabulary Transfer"). Training corrects the rest. Raises
    KeyError if the old tokenizer lacks a special token other than the repository's, which starts as that of a file.
    """
    rows, known = weights[EMBEDDINGS], old.get_vocab()

    def of(name: str) -> list[int]:
        if name == REPOSITORY and name not in known:
            name = FILE
        if name in SPECIALS:
            return [known[name]]
        return [token.id for token in old.model.tokenize(name)]

    names = sorted(new.get_vocab().items(), key=lambda item: item[1])
    moved = torch.stack([rows[of(name)].mean(dim=0) for name, _ in names])
    return {**weights, EMBEDDINGS: moved}
