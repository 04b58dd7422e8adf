"""A pretrained model is prepared for training: a smaller vocabulary that encodes any text, with the same weights."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from aix_lsp.training import export, vocabulary
from aix_lsp.training.model import Llama, Shape
from training import pretrained
from training.transplant import EMBEDDINGS

_TEXT = "def area(width, height):\n    return width * height + 1234\n" * 20
_FORMER = tuple(pretrained.FORMER.values())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model whose tokenizer has SmolLM2's special tokens, and merges for words that never occur in code."""
    torch.set_num_threads(1)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=list(_FORMER),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([_TEXT, "the quick brown fox jumps over the lazy dog " * 20], trainer)
    folder = tmp_path / "pretrained"
    folder.mkdir()
    shape = Shape(
        tokenizer.get_vocab_size(), 32, layers=1, heads=2, kv_heads=1, intermediate=64, head_size=16
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text("{}")
    export.write_model(Llama(shape).state_dict(), shape, folder, folder)
    return folder


def _data(folder: Path) -> Any:
    return json.loads((folder / "tokenizer.json").read_text())


def test_the_tokens_that_code_uses_stay_with_their_weights(model: Path, tmp_path: Path) -> None:
    entries = 256 + len(vocabulary.SPECIALS) + 30
    pretrained.prepare(model, [_TEXT], entries, tmp_path / "start")
    before, after = Tokenizer.from_file(str(model / "tokenizer.json")), tmp_path / "start" / "tokenizer.json"
    codec = vocabulary.Codec.load(tmp_path / "start")
    old, new = before.get_vocab(), Tokenizer.from_file(str(after)).get_vocab()
    assert len(new) == codec.size == entries
    weights, shape = export.read_model(tmp_path / "start")
    assert shape.vocabulary == entries
    rows = export.read_model(model)[0][EMBEDDINGS]
    for name, number in new.items():
        if name not in vocabulary.SPECIALS:
            assert torch.equal(weights[EMBEDDINGS][number], rows[old[name]])
    assert torch.equal(weights[EMBEDDINGS][new[vocabulary.FILE]], rows[old["<file_sep>"]])
    assert {"Ġwidth", "Ġheight"} <= new.keys()
    assert "Ġquick" in old
    assert "Ġquick" not in new


@pytest.mark.parametrize("text", [_TEXT, "the quick brown fox", "naïve ☃ \t\x00 <|fim_prefix|> 2026"])
def test_any_text_survives_a_round_trip_and_digits_stand_alone(
    model: Path, tmp_path: Path, text: str
) -> None:
    pretrained.prepare(model, [_TEXT], 300, tmp_path / "start")
    codec = vocabulary.Codec.load(tmp_path / "start")
    assert codec.decode(codec.encode(text)) == text
    assert len(codec.encode("1234")) == 4


def test_a_kept_token_can_still_be_merged_from_its_parts(model: Path) -> None:
    data = _data(model)
    wanted = data["model"]["vocab"]["Ġheight"]
    kept = pretrained.prune(data, Counter({wanted: 1}), 300)
    pruned = Tokenizer.from_str(json.dumps(data))
    assert wanted in kept
    assert pruned.encode(" height").tokens == ["Ġheight"]


def test_fewer_entries_hold_less_text_per_token(model: Path) -> None:
    few, many = _data(model), _data(model)
    counts = pretrained.count_tokens(many, [_TEXT])
    pretrained.prune(few, counts, 270)
    pretrained.prune(many, counts, 300)
    assert pretrained.bytes_a_token(few, [_TEXT]) < pretrained.bytes_a_token(many, [_TEXT])
