"""GGUF files read without transformers give the same results as with it; all others are left to transformers."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import LlamaConfig, PreTrainedConfig, Qwen2Config, Qwen3Config
from transformers.modeling_gguf_pytorch_utils import GGUF_TO_TRANSFORMERS_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from aix_lsp.engine.model.gguf_lean import PlainFile, plain_file
from aix_lsp.engine.model.lean import LeanForward
from aix_lsp.engine.model.reading import context_length, read_config
from aix_lsp.engine.model.selfcheck import text_logits
from aix_lsp.engine.model.source import find_folder
from aix_lsp.engine.options import EngineOptions
from aix_lsp.gguf.configuration import _ARCHITECTURES, OWN
from tests.engine.model.gguf_files import random_model, write_model

_SIZES = {
    "vocab_size": 96, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 256, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
_TOKENS = [(7 + 31 * at * at) % 96 for at in range(40)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))


def _plain(file: Path) -> PlainFile | None:
    return plain_file(find_folder(EngineOptions(model=str(file)), lambda *_: None))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("architecture", "kind"), [("llama", LlamaConfig), ("qwen2", Qwen2Config)])
def test_it_computes_what_transformers_does(
    architecture: str, kind: type[PreTrainedConfig], tied: bool, tmp_path: Path
) -> None:
    config = kind(**_SIZES, tie_word_embeddings=tied)
    path = write_model(config, architecture, tmp_path / "tiny.gguf")
    file = _plain(path)
    assert file is not None
    with torch.inference_mode():
        expected = random_model(config)(torch.tensor([_TOKENS])).logits[0]
        lean = file.read(torch.float32)
        found = text_logits(LeanForward(lean), _TOKENS, lean.shapes, torch.float32, torch.device("cpu"))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert (lean.head.weight.data_ptr() == lean.embedding.data_ptr()) is tied  # type: ignore[attr-defined]
    options = EngineOptions(model=str(path))
    theirs = read_config(find_folder(options, lambda *_: None), options)
    assert (file.context, file.vocab_size) == (context_length(theirs), theirs.vocab_size)
    assert file.ends == {theirs.eos_token_id} - {None}


_F32 = gguf.GGMLQuantizationType.F32


@pytest.mark.parametrize(
    "instead",
    [
        {"rope_freqs.weight": (np.ones(8, np.float32), _F32)},
        {"blk.0.attn_q.bias": (np.ones(64, np.float32), _F32)},
        {"blk.1.attn_q_norm.weight": (np.ones(16, np.float32), _F32)},
    ],
)
def test_unknown_features_are_left_to_transformers(
    instead: dict[str, tuple[np.ndarray, gguf.GGMLQuantizationType]], tmp_path: Path
) -> None:
    config = LlamaConfig(**_SIZES, tie_word_embeddings=True)
    assert _plain(write_model(config, "llama", tmp_path / "more.gguf", instead)) is None


def test_other_architectures_are_left_to_transformers(tmp_path: Path) -> None:
    config = Qwen3Config(**_SIZES, tie_word_embeddings=True)
    assert _plain(write_model(config, "qwen3", tmp_path / "other.gguf")) is None


def test_our_tables_are_transformers() -> None:
    assert {name: GGUF_TO_TRANSFORMERS_MAPPING["config"][name] for name in OWN} == OWN
    for name, class_name in _ARCHITECTURES.values():
        assert MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[name] == f"{class_name}ForCausalLM"
