"""GGUF files: each tensor type, several architectures, tokenizers, and the errors for unreadable files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from transformers import (
    AutoTokenizer,
    GemmaConfig,
    LlamaConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
    Starcoder2Config,
)

from aix_lsp.engine.model import gguf as reading_gguf
from aix_lsp.engine.model import source
from aix_lsp.engine.model.loader import load
from aix_lsp.engine.model.reading import read_config, read_model, read_tokenizer
from aix_lsp.engine.model.source import check_folder, find_folder
from aix_lsp.engine.options import EngineOptions, ModelError
from aix_lsp.gguf.header import read_header
from aix_lsp.gguf.tokenizer import special_names
from aix_lsp.training import export
from aix_lsp.training.evaluation.transformer import TransformerModel
from aix_lsp.training.model import Llama, Shape
from tests.engine.model.gguf_files import damage, random_model, write_model
from training.gguf_writer import write_gguf
from training.tokenizer import save_tokenizer, train_tokenizer

SHAPE = Shape(400, hidden=64, layers=2, heads=4, kv_heads=2, intermediate=96, context=256, head_size=16)
_TEXT = "def area(width, height):\n    return width * height + 1234\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIX_LSP_HOME", str(tmp_path / "home"))
    torch.manual_seed(0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One of our tiny Llamas, in transformers' format."""
    trained = train_tokenizer([_TEXT * 9], 400)
    save_tokenizer(trained, tmp_path / "folder")
    shape = Shape(
        **{**{n: getattr(SHAPE, n) for n in SHAPE.__slots__}, "vocabulary": trained.get_vocab_size()}
    )
    weights = {n: v.float() * (1 if v.ndim == 1 else 10) for n, v in Llama(shape).state_dict().items()}
    export.write_model(weights, shape, tmp_path / "folder", tmp_path / "folder")
    return tmp_path / "folder"


def _read(model: Path) -> Any:
    options = EngineOptions(model=str(model))
    made = find_folder(options, lambda *_: None)
    return read_model(made, options, read_config(made, options), torch.float32, torch.device("cpu"))


def _logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(torch.arange(5, 45)[None]).logits
    return found


@pytest.mark.parametrize("kind", ["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"])
def test_a_file_computes_what_its_dequantised_weights_do(folder: Path, tmp_path: Path, kind: str) -> None:
    file = write_gguf(folder, tmp_path / "tiny.gguf", kind)
    reference = _read(folder)
    with torch.no_grad():
        for name, value in reference.state_dict().items():
            if value.ndim == 2 and "lm_head" not in name:
                stored = gguf.GGMLQuantizationType[kind.upper()]
                rounded = gguf.quants.dequantize(gguf.quants.quantize(value.numpy(), stored), stored)
                value.copy_(torch.from_numpy(np.array(rounded)))
    torch.testing.assert_close(_logits(_read(file)), _logits(reference), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"])
def test_types_that_only_llama_cpp_writes(folder: Path, tmp_path: Path, kind: str) -> None:
    stored = gguf.GGMLQuantizationType[kind]
    items, nbytes = gguf.GGML_QUANT_SIZES[stored]
    config = LlamaConfig(
        vocab_size=64, hidden_size=256, intermediate_size=256, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=4, tie_word_embeddings=True,
    )  # fmt: skip
    blocks = np.random.default_rng(0).integers(0, 60, (256, 256 // items * nbytes), dtype=np.uint8)
    file = write_model(config, "llama", tmp_path / "k.gguf", {"blk.0.ffn_down.weight": (blocks, stored)})
    found = _read(file).model.layers[0].mlp.down_proj.weight
    assert torch.equal(found, torch.from_numpy(gguf.quants.dequantize(blocks, stored)))
    assert found.abs().sum() > 0


_SIZES = {
    "vocab_size": 96, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 256, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("architecture", "kind", "tied"),
    [
        ("llama", LlamaConfig, True),
        ("llama", LlamaConfig, False),
        ("qwen2", Qwen2Config, True),
        ("qwen2", Qwen2Config, False),
        ("qwen3", Qwen3Config, True),
        ("starcoder2", Starcoder2Config, True),
        ("starcoder2", Starcoder2Config, False),
        ("gemma", GemmaConfig, True),
    ],
)
def test_architectures(architecture: str, kind: type[PreTrainedConfig], tied: bool, tmp_path: Path) -> None:
    config = kind(**_SIZES, tie_word_embeddings=tied)
    file = write_model(config, architecture, tmp_path / "tiny.gguf")
    torch.testing.assert_close(_logits(_read(file)), _logits(random_model(config)), atol=1e-4, rtol=1e-4)


def test_an_output_head_equal_to_the_embeddings_is_stored_once(folder: Path, tmp_path: Path) -> None:
    config = LlamaConfig(**_SIZES, tie_word_embeddings=True)
    weight = random_model(config).state_dict()["model.embed_tokens.weight"].numpy()
    stored = gguf.GGMLQuantizationType.Q8_0
    head = {"output.weight": (gguf.quants.quantize(weight, stored), stored)}
    model = _read(write_model(config, "llama", tmp_path / "twice.gguf", head))
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()


def test_the_tokenizer_is_the_folders(folder: Path, tmp_path: Path) -> None:
    data = json.loads((folder / "tokenizer.json").read_text())
    data["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        ],
    }
    (folder / "tokenizer.json").write_text(json.dumps(data))
    options = EngineOptions(model=str(write_gguf(folder, tmp_path / "tiny.gguf", "q8_0")))
    read = read_tokenizer(find_folder(options, lambda *_: None), options)
    text = _TEXT + "naïve ☃ 2026 <|fim_prefix|>\n\n\tx"
    expected = AutoTokenizer.from_pretrained(folder)
    assert read(text)["input_ids"] == expected(text)["input_ids"]
    assert read.eos_token == "<|endoftext|>"


def test_it_is_built_once_and_again_after_a_change(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_gguf(folder, tmp_path / "tiny.gguf", "q8_0")
    first = reading_gguf.prepare(file, "tiny")
    made: list[Path] = []
    monkeypatch.setattr(reading_gguf, "_make", lambda header, place: made.append(place))
    assert reading_gguf.prepare(file, "tiny") == first
    assert made == []
    write_gguf(folder, file, "q4_0")
    assert reading_gguf.prepare(file, "tiny") != first
    assert len(made) == 1


def test_special_tokens_named_only_by_id_are_found(tmp_path: Path) -> None:
    config = LlamaConfig(**_SIZES, tie_word_embeddings=True)
    ids = {"fim_pre": 90, "fim_suf": 91, "fim_mid": 92}
    file = write_model(config, "llama", tmp_path / "tiny.gguf", fim=ids)
    assert {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"} <= special_names(read_header(file))
    options = EngineOptions(model=str(file))
    tokenizer = read_tokenizer(find_folder(options, lambda *_: None), options)
    assert tokenizer.convert_tokens_to_ids("<|fim_suffix|>") == 91


def test_the_engine_runs_a_file_like_a_folder(folder: Path, tmp_path: Path) -> None:
    file = write_gguf(
        folder, tmp_path / "blob", "f32"
    )  # recognised by content: Ollama's files have no extension
    found, expected = (
        load(EngineOptions(model=str(model), kv_memory_mb=64, threads=1, dtype="float32"), lambda *_: None)
        for model in (file, folder)
    )
    assert found.parameters == expected.parameters
    assert found.eos_token_ids == expected.eos_token_ids
    assert found.context_length == expected.context_length


def test_the_shipped_model_may_be_a_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    monkeypatch.setattr(source, "EMBEDDED", shipped)
    assert find_folder(EngineOptions(), lambda *_: None) == shipped
    write_gguf(folder, shipped / "model.gguf", "q8_0")
    made = find_folder(EngineOptions(), lambda *_: None)
    assert made != shipped
    assert check_folder(made, "embedded") > 0


def test_a_writer_may_give_some_matrices_another_type(folder: Path, tmp_path: Path) -> None:
    other = {"token_embd": "q8_0", "blk.1.attn_*": "f16"}
    tensors = read_header(write_gguf(folder, tmp_path / "mixed.gguf", "q4_1", other=other)).tensors
    kinds = {name: gguf.GGMLQuantizationType(tensor.kind).name for name, tensor in tensors.items()}
    assert kinds["token_embd.weight"] == "Q8_0"
    assert kinds["blk.1.attn_output.weight"] == "F16"
    assert kinds["blk.0.attn_q.weight"] == kinds["blk.1.ffn_up.weight"] == "Q4_1"
    assert kinds["blk.1.attn_norm.weight"] == "F32"


def test_training_begins_with_a_files_weights(folder: Path, tmp_path: Path) -> None:
    file = write_gguf(folder, tmp_path / "tiny.gguf", "f32")
    weights, shape = export.read_model(export.model_folder(file))
    expected, same = export.read_model(folder)
    assert shape == same
    assert weights.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(weights[name], expected[name])
    logits = TransformerModel(file, "tiny").start([5, 6, 7])
    torch.testing.assert_close(
        torch.from_numpy(logits), _logits_after(folder, [5, 6, 7]), atol=1e-4, rtol=1e-4
    )


def _logits_after(folder: Path, tokens: list[int]) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = _read(folder)(torch.tensor([tokens])).logits[0, -1]
    return found


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("cut in its tensors", "truncated"),
        ("cut in its header", "truncated"),
        ("another file", "does not start like a GGUF"),
        ("empty", "empty"),
        ("an old version", "version 1"),
        ("an unknown type", "number 99"),
        ("another architecture", r"architecture \(mamba\)"),
        ("no tokenizer", "no tokenizer"),
        ("no merges", "no merges"),
        ("an unknown cut", r"pre-tokenizer \(gpt-9\)"),
        ("a tensor less", "lack model.layers.1.mlp.up_proj.weight;"),
    ],
)
def test_unsupported_files_are_reported_in_one_line(
    folder: Path, tmp_path: Path, what: str, said: str
) -> None:
    file = write_gguf(folder, tmp_path / "tiny.gguf", "q8_0")
    damage(file, what)
    with pytest.raises(ModelError, match=said) as caught:
        _read(file)
    assert "\n" not in str(caught.value)
    assert "model" in str(caught.value)


@pytest.mark.parametrize("at", range(8, 1200, 37))
def test_a_damaged_header_raises_gguf_error(folder: Path, tmp_path: Path, at: int) -> None:
    file = write_gguf(folder, tmp_path / "tiny.gguf", "q8_0")
    data = bytearray(file.read_bytes())
    data[at : at + 4] = b"\xff\xff\xff\x7f"
    file.write_bytes(bytes(data))
    try:
        reading_gguf.prepare(file, "tiny")
    except ModelError as error:
        assert "\n" not in str(error)
