"""Tiny models of any architecture, as transformers has them and as llama.cpp's converter would write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import torch
from transformers import PreTrainedConfig

from aix_lsp.gguf.configuration import GEMMA


def random_model(config: PreTrainedConfig) -> Any:
    """A model with the same random weights each time."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(
                torch.randn(value.shape) * (0.2 if value.ndim == 2 else 0.1) + float("norm.weight" in name)
            )
    return model


def write_model(
    config: PreTrainedConfig,
    architecture: str,
    out: Path,
    instead: dict[str, tuple[Any, Any]] | None = None,
    fim: dict[str, int] | None = None,
) -> Path:
    """Write `random_model(config)` as llama.cpp's converter would; `instead` replaces or adds tensors."""
    from transformers.modeling_gguf_pytorch_utils import GGUF_TO_TRANSFORMERS_MAPPING

    kind = next(number for number, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    places = gguf.get_tensor_name_map(kind, config.num_hidden_layers)
    writer = gguf.GGUFWriter(str(out), architecture)
    keys = GGUF_TO_TRANSFORMERS_MAPPING["config"].get(architecture, GEMMA)
    about = config.to_dict() | {"rope_theta": 10_000.0}
    for key, place in {**keys, "attention.key_length": "head_dim"}.items():
        if place and (value := about.get(place)) is not None and key != "vocab_size":
            add = writer.add_float32 if isinstance(value, float) else writer.add_uint32
            add(f"{architecture}.{key}", value)
    _add_tokenizer(writer, config.vocab_size, fim or {})
    written = dict(instead or {})
    for name, value in random_model(config).state_dict().items():
        stem, _, leaf = name.rpartition(".")
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        target = f"{places.get_name(stem)}.{leaf}"
        if target not in written:
            writer.add_tensor(target, _converted(value, stem, config, architecture).contiguous().numpy())
    for name, (blocks, stored) in written.items():
        writer.add_tensor(name, blocks, raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


def _add_tokenizer(writer: gguf.GGUFWriter, size: int, fim: dict[str, int]) -> None:
    letters = [chr(0x21 + number) for number in range(94)]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*[*letters, *(f"<{n}>" for n in range(size - 94))][: size - 1], "!!"])
    writer.add_token_merges(["! !"])
    writer.add_token_types([gguf.TokenType.NORMAL] * size)
    for key, number in fim.items():
        writer.add_uint32(f"tokenizer.ggml.{key}_token_id", number)


def _converted(value: torch.Tensor, stem: str, config: PreTrainedConfig, architecture: str) -> torch.Tensor:
    """A weight as llama.cpp stores it: rotary pairs side by side, norms with the one added."""
    heads = {"q_proj": 4, "k_proj": config.num_key_value_heads}.get(stem[-6:])
    if architecture == "llama" and heads:
        return value.view(heads, 2, -1, value.shape[1]).swapaxes(1, 2).reshape(value.shape)
    return value + 1 if architecture == "gemma" and "norm" in stem else value


def damage(file: Path, what: str) -> None:
    """Damage a file written from one of our Llamas, in the way named by `what`."""
    data = file.read_bytes()
    if what == "cut in its tensors":
        file.write_bytes(data[:-1000])
    elif what == "cut in its header":
        file.write_bytes(data[:3000])
    elif what == "another file":
        file.write_bytes(b"PK\x03\x04" + data[4:])
    elif what == "empty":
        file.write_bytes(b"")
    elif what == "an old version":
        file.write_bytes(data[:4] + b"\x01\0\0\0" + data[8:])
    elif what == "an unknown type":
        at = data.index(b"blk.0.ffn_down.weight") + len(b"blk.0.ffn_down.weight") + 4 + 16
        file.write_bytes(data[:at] + b"\x63\0\0\0" + data[at + 4 :])
    elif what == "another architecture":
        file.write_bytes(data.replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0mamba", 1))
    elif what == "no tokenizer":
        file.write_bytes(data.replace(b"tokenizer.ggml.tokens", b"tokenizer.ggml.nothin"))
    elif what == "no merges":
        file.write_bytes(data.replace(b"tokenizer.ggml.merges", b"tokenizer.ggml.nothin"))
    elif what == "an unknown cut":
        file.write_bytes(data.replace(b"gpt-2", b"gpt-9"))
    elif what == "a tensor less":
        file.write_bytes(data.replace(b"blk.1.ffn_up.weight", b"blk.1.ffn_xx.weight"))
