"""Writes a Llama-shaped model folder as GGUF, which llama.cpp, transformers and our engine all read.

`python -m training.gguf_writer FOLDER OUT.gguf [--type q4_1] [--other token_embd=q8_0 'blk.1?.attn_*=q8_0']`
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0")

_PRE_TOKENIZER = "gpt-2"
"""llama.cpp knows pre-tokenizers by name only. Of these, this is the closest to the embedded model's: 8 % more tokens
on the Python standard library, as the benchmarks' reports state."""

_BLOCK_NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_OUTER_NAMES = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}
_FIM_TOKENS = {
    "fim_pre": ("<|fim_prefix|>", "<fim_prefix>"),
    "fim_suf": ("<|fim_suffix|>", "<fim_suffix>"),
    "fim_mid": ("<|fim_middle|>", "<fim_middle>"),
    "fim_rep": ("<|repo|>", "<|repo_name|>", "<repo_name>"),
    "fim_sep": ("<|file|>", "<|file_sep|>", "<file_sep>"),
    "padding": ("<|pad|>", "<|fim_pad|>", "<fim_pad>"),
}


def write_gguf(
    folder: Path, out: Path, kind: str = "bf16", context: int = 0, other: Mapping[str, str] | None = None
) -> Path:
    """Write `folder` (config.json, tokenizer.json, *.safetensors) to `out`. Matrices are written as `kind`, or as the
    type that `other` has for a pattern of llama.cpp's tensor names, such as `token_embd` or `blk.[12]?.attn_*`.

    `context` (tokens) replaces the model's own context length, so that llama-server does not truncate prompts that have
    more tokens there than here; 0 keeps it.

    Raises ValueError if the architecture is not Llama's.
    """
    import gguf

    config = json.loads((folder / "config.json").read_text())
    if config["model_type"] != "llama":
        raise ValueError(f"{folder}: only Llama-shaped models can be written, not {config['model_type']}")
    writer = gguf.GGUFWriter(str(out), "llama")
    _write_shape(writer, config | ({"max_position_embeddings": context} if context else {}))
    _write_tokenizer(writer, json.loads((folder / "tokenizer.json").read_text()), config["vocab_size"])
    _write_tensors(writer, folder, config, kind, other or {})
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


def _write_shape(writer: Any, config: dict[str, Any]) -> None:
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    rope = config.get("rope_parameters") or config
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads", heads))
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(rope.get("rope_theta", 10000.0))
    writer.add_vocab_size(config["vocab_size"])


def _write_tokenizer(writer: Any, tokenizer: dict[str, Any], size: int) -> None:
    import gguf

    special = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    by_id = {index: token for token, index in (tokenizer["model"]["vocab"] | special).items()}
    tokens = [by_id.get(index, f"[unused{index}]") for index in range(size)]
    kinds = [gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in tokens]
    merges = tokenizer["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm" if _cuts_digits(tokenizer) else _PRE_TOKENIZER)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_add_bos_token(False)
    if "<|endoftext|>" in special:
        writer.add_eos_token_id(special["<|endoftext|>"])
    for key, names in _FIM_TOKENS.items():
        if found := [special[name] for name in names if name in special]:
            writer.add_uint32(f"tokenizer.ggml.{key}_token_id", found[0])


def _cuts_digits(tokenizer: dict[str, Any]) -> bool:
    """Whether the pre-tokenizer is SmolLM2's: single digits, otherwise like GPT-2."""
    parts = (tokenizer.get("pre_tokenizer") or {}).get("pretokenizers") or []
    return [part["type"] for part in parts] == ["Digits", "ByteLevel"]


def _write_tensors(
    writer: Any, folder: Path, config: dict[str, Any], kind: str, other: Mapping[str, str]
) -> None:
    import gguf
    from safetensors.torch import load_file

    heads = config["num_attention_heads"]
    rotated = {"q_proj": heads, "k_proj": config.get("num_key_value_heads", heads)}
    for file in sorted(folder.glob("*.safetensors")):
        for name, tensor in load_file(file).items():
            target, leaf = _target_name(name)
            array = tensor.float()
            if (count := rotated.get(name.split(".")[-2])) is not None:
                array = _interleave(array, count)
            data = array.contiguous().numpy()
            if data.ndim == 1:
                writer.add_tensor(f"{target}.{leaf}", data)
            else:
                chosen = next((other[pattern] for pattern in other if fnmatchcase(target, pattern)), kind)
                quantization = gguf.GGMLQuantizationType[chosen.upper()]
                packed = gguf.quants.quantize(data, quantization)
                writer.add_tensor(f"{target}.{leaf}", packed, raw_dtype=quantization)


def _target_name(name: str) -> tuple[str, str]:
    """llama.cpp's name for a transformers tensor, and its leaf (weight or bias)."""
    stem, _, leaf = name.removeprefix("model.").rpartition(".")
    if stem.startswith("layers."):
        _, index, rest = stem.split(".", 2)
        return f"blk.{index}.{_BLOCK_NAMES[rest]}", leaf
    return _OUTER_NAMES[stem], leaf


def _interleave(weight: Any, heads: int) -> Any:
    """Convert transformers' rotary layout (halves) to ggml's (pairs), head by head."""
    half = weight.shape[0] // heads // 2
    return weight.view(heads, 2, half, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--type", choices=TYPES, default="bf16")
    parser.add_argument(
        "--other",
        nargs="*",
        default=[],
        metavar="NAME=TYPE",
        help="another type for tensors of these names; * and ? are any",
    )
    options = parser.parse_args()
    other = dict(pair.split("=", 1) for pair in options.other)
    sys.stdout.write(f"{write_gguf(options.folder, options.out, options.type, other=other)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
