"""The embedded model's two kinds of training runs: from scratch, and from a finished model's weights."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from tokenizers import Tokenizer

from aix_lsp.training import corpus, export, vocabulary
from aix_lsp.training.corpus import DuplicateFilter
from aix_lsp.training.model import Llama, Shape
from aix_lsp.training.recipe import Phase, Recipe
from tests.training.code import write_package
from training import recipe
from training.__main__ import main
from training.documents import write
from training.tokenizer import save_tokenizer, train_tokenizer
from training.transplant import EMBEDDINGS

SHAPE = Shape(400, hidden=32, layers=1, heads=2, kv_heads=1, intermediate=64, context=256, head_size=16)
STILL = Recipe(
    tokens=4096,
    batch=1024,
    micro_batch=1024,
    matrix_rate=0.0,
    other_rate=0.0,
    phases=(Phase(0.0, 128),),
    compiled=False,
)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work folder after its first two stages, and a finished model in `base`."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    write_package(tmp_path / "package", files=3, functions=8)
    documents = list(corpus.gather(tmp_path / "package", "package", 10**6, DuplicateFilter()))
    write(tmp_path / "train.jsonl", documents[1:])
    write(tmp_path / "heldout.jsonl", documents[:1])
    trained = train_tokenizer([document.text for document in documents], 400)
    save_tokenizer(trained, tmp_path / "tokenizer")
    export.write_model(Llama(SHAPE).state_dict(), SHAPE, tmp_path / "tokenizer", tmp_path / "base")
    return tmp_path


def _invoke(*arguments: object) -> None:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def test_a_run_begins_with_a_models_weights(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "WARM_RECIPE", STILL)
    base = work / "base"
    _invoke("--work", work, "train", "--workers", 1, "--start", base)
    _invoke("--work", work, "export", "--start", base)
    before, shape = export.read_model(base)
    after, same = export.read_model(work / "model")
    assert shape == same == SHAPE
    assert before.keys() == after.keys()
    # Rates of 0 change nothing, so the result shows what the run began with.
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not (work / "run").exists()


def test_a_model_without_a_token_for_repositories_is_given_the_new_tokenizer(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "WARM_RECIPE", STILL)
    base, other = work / "base", train_tokenizer(["alpha = beta(gamma)\n" * 50], 300)
    other = Tokenizer.from_str(other.to_str().replace(vocabulary.REPOSITORY, "<|something|>"))
    save_tokenizer(other, work / "other")
    shape = replace(SHAPE, vocabulary=other.get_vocab_size())
    export.write_model(Llama(shape).state_dict(), shape, work / "other", base)
    _invoke("--work", work, "train", "--workers", 1, "--start", base)
    _invoke("--work", work, "export", "--start", base)
    model = work / "model"
    assert (model / "tokenizer.json").read_bytes() == (work / "tokenizer" / "tokenizer.json").read_bytes()
    before, after = export.read_model(base)[0], export.read_model(model)[0]
    differing = {name for name in after if not torch.equal(after[name], before[name])}
    assert differing == {EMBEDDINGS}
    assert after[EMBEDDINGS].shape == (SHAPE.vocabulary, SHAPE.hidden)


def test_a_run_from_scratch_has_its_own_folder(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "WARM_RECIPE", STILL)
    monkeypatch.setattr(recipe, "RECIPE", replace(STILL, matrix_rate=0.01, other_rate=1e-3))
    monkeypatch.setattr(recipe, "SHAPE", SHAPE)
    _invoke("--work", work, "train", "--workers", 1, "--start", work / "base")
    kept = (work / "run-warm" / "state.pt").read_bytes()
    _invoke("--work", work, "train", "--workers", 1)
    _invoke("--work", work, "export", "--out", work / "anew")
    assert (work / "run-warm" / "state.pt").read_bytes() == kept
    anew = export.read_model(work / "anew")[0]
    begun = export.read_model(work / "base")[0]
    assert not any(torch.equal(anew[name], begun[name]) for name in anew if "norm" not in name)


def test_without_a_command_each_stage_follows_the_one_before(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "RECIPE", STILL)
    monkeypatch.setattr(recipe, "SHAPE", SHAPE)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    compared: list[dict[str, Path]] = []
    monkeypatch.setattr("training.evaluate.compare", lambda _, folders, *rest: compared.append(folders))
    _invoke("--work", work)
    assert compared == [{"new": work / "model"}]
    assert export.read_model(work / "model")[1] == SHAPE
