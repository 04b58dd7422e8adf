"""Moving embeddings to another tokenizer: shared entries keep their rows, others are composed of old ones."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer

from aix_lsp.training.vocabulary import FILE, MIDDLE, REPOSITORY
from training.tokenizer import train_tokenizer
from training.transplant import EMBEDDINGS, transplant

OLD = train_tokenizer(["def read_line(self): return self.line\n" * 20], 320)
NEW = train_tokenizer(["function readLines() { return this.lines }\n" * 20], 340)


def _weights(tokenizer: Tokenizer) -> dict[str, torch.Tensor]:
    rows = tokenizer.get_vocab_size()
    return {EMBEDDINGS: torch.arange(rows).float()[:, None].repeat(1, 4), "model.norm.weight": torch.ones(4)}


def test_shared_entries_keep_their_rows() -> None:
    moved = transplant(_weights(OLD), OLD, NEW)[EMBEDDINGS]
    old, new = OLD.get_vocab(), NEW.get_vocab()
    shared = old.keys() & new.keys()
    assert {MIDDLE, "Ġreturn", "{"} <= shared
    for name in shared:
        assert moved[new[name]].eq(old[name]).all()


def test_a_new_entry_begins_as_the_mean_of_those_that_spell_it() -> None:
    moved = transplant(_weights(OLD), OLD, NEW)[EMBEDDINGS]
    assert OLD.token_to_id("function") is None
    parts = [token.id for token in OLD.model.tokenize("function")]
    assert len(parts) > 1
    assert moved[NEW.token_to_id("function")].tolist() == pytest.approx([sum(parts) / len(parts)] * 4)


def test_everything_but_the_embeddings_stays() -> None:
    weights = _weights(OLD)
    moved = transplant(weights, OLD, NEW)
    assert moved.keys() == weights.keys()
    assert moved["model.norm.weight"] is weights["model.norm.weight"]
    assert moved[EMBEDDINGS].shape == (NEW.get_vocab_size(), 4)


def test_a_repositorys_token_begins_as_a_files() -> None:
    old = Tokenizer.from_str(OLD.to_str().replace(REPOSITORY, "<|something|>"))
    moved = transplant(_weights(old), old, NEW)[EMBEDDINGS]
    assert moved[NEW.get_vocab()[REPOSITORY]].eq(old.get_vocab()[FILE]).all()
