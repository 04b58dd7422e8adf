"""Model folders and settings that cannot be loaded: each error names its setting."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aix_lsp.engine.model.loader import load
from aix_lsp.engine.options import EngineOptions, ModelError
from tests.engine.model.loading import change, load_quietly, saved


def damaged_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def unknown_type(folder: Path) -> None:
    change(folder, "config.json", model_type="no-such-type")


def own_code(folder: Path) -> None:
    change(folder, "config.json", model_type="theirs", auto_map={"AutoConfig": "theirs.Config"})


def not_causal(folder: Path) -> None:
    change(folder, "config.json", architectures=["BertForMaskedLM"])


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()


def missing_weight(folder: Path) -> None:
    change(folder, "config.json", num_hidden_layers=4)


def wrong_shape(folder: Path) -> None:
    change(folder, "config.json", intermediate_size=100)


def larger_than_memory(folder: Path) -> None:
    count = 1 << 40
    header = json.dumps({"w": {"dtype": "I8", "shape": [count], "data_offsets": [0, count]}}).encode()
    start = len(header).to_bytes(8, "little") + header
    (folder / "model.safetensors").write_bytes(start)
    os.truncate(folder / "model.safetensors", len(start) + count)  # it takes no disk


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (damaged_config, "cannot read the config.json"),
        (unknown_type, "cannot read the config.json"),
        (own_code, "trustRemoteCode"),
        (not_causal, "is a BertForMaskedLM, not a causal language model"),
        (no_tokenizer, "tokenizer"),
        (missing_weight, "lack"),
        (wrong_shape, "weights"),
        (larger_than_memory, "GB are free"),
    ],
)
def test_broken_folders(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    folder = saved(tmp_path, "llama")
    spoil(folder)
    with pytest.raises(ModelError, match=r"\bmodel\b") as caught:
        load_quietly(model=str(folder))
    assert said in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"device": "tpu"}, "setting device"),
        ({"device": "cuda:99"}, "setting device"),
        ({"dtype": "int3"}, "setting dtype"),
        ({"kv_memory_mb": 1 << 30}, "kvMemoryMb"),
    ],
)
def test_wrong_settings(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        load(EngineOptions(threads=1, **{"device": "cpu", **options}), lambda stage, part: None)
