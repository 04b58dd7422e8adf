"""Derives transformers' configuration of the model in a GGUF file from its header."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from aix_lsp.gguf.header import GgufError, Header, damage
from aix_lsp.gguf.tensors import values_of
from aix_lsp.gguf.tokenizer import names

_SAME = 0.15  # relative difference of two quantisations of one matrix
_LARGEST = 1 << 31
_MOST = {"block_count": 1 << 10, "context_length": _LARGEST, "embedding_length": 1 << 20,
         "attention.head_count": 1 << 16, "attention.head_count_kv": 1 << 16, "attention.key_length": 1 << 16,
         "rope.dimension_count": 1 << 16, "feed_forward_length": 1 << 24}  # fmt: skip
"""What a header may say at most, and at least 1. Layers, for one, are made before it turns out that there are none."""

# llama.cpp's names of the architectures that run here, and transformers' names of them and of their classes.
_ARCHITECTURES = {
    "llama": ("llama", "Llama"), "mistral": ("mistral", "Mistral"), "qwen2": ("qwen2", "Qwen2"),
    "qwen3": ("qwen3", "Qwen3"), "starcoder2": ("starcoder2", "Starcoder2"), "gemma": ("gemma", "Gemma"),
    "gemma2": ("gemma2", "Gemma2"), "gemma3": ("gemma3_text", "Gemma3"), "phi3": ("phi3", "Phi3"),
    "stablelm": ("stablelm", "StableLm"),
}  # fmt: skip
# transformers' names of a header's values. Copied from its own table, which takes a second to import.
_LLAMA = {
    "context_length": "max_position_embeddings", "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size", "embedding_length": "hidden_size",
    "rope.dimension_count": "head_dim", "rope.freq_base": "rope_theta",
    "attention.head_count": "num_attention_heads", "attention.head_count_kv": "num_key_value_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps", "vocab_size": "vocab_size",
}  # fmt: skip
_QWEN = {key: None if key == "rope.dimension_count" else name for key, name in _LLAMA.items()}
OWN: dict[str, Mapping[str, str | None]] = {
    "llama": _LLAMA, "mistral": _LLAMA, "qwen2": _QWEN, "qwen3": _QWEN,
}  # fmt: skip
GEMMA = {
    "context_length": "max_position_embeddings", "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size", "embedding_length": "hidden_size",
    "attention.key_length": "head_dim", "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads", "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "rope.freq_base": "rope_theta",
}  # fmt: skip


@damage()
def configuration(header: Header) -> dict[str, Any]:
    """transformers' configuration of the model. Raises GgufError if the model cannot run here."""
    architecture = header.architecture
    if architecture not in _ARCHITECTURES:
        raise GgufError(f"its architecture ({architecture or 'unnamed'}) cannot be run here")
    if int(header.metadata.get("split.count") or 1) > 1:
        raise GgufError("it is one of several parts; merge them with `llama-gguf-split --merge`")
    about: dict[str, Any] = {}
    for key, place in _places(architecture).items():
        if place and (value := _number(header, key)) is not None:
            about[place] = value
    for key in ("block_count", "embedding_length", "attention.head_count"):
        if header.of_architecture(key) is None:
            raise GgufError(f"its header has no {architecture}.{key}")
    for key in ("attention.key_length", "rope.dimension_count"):
        if architecture in {"llama", "mistral", "qwen3"} and (width := _number(header, key)):
            about.setdefault("head_dim", width)
    about["vocab_size"] = _rows(header)
    about["tie_word_embeddings"] = _tied(header)
    for end in ("bos", "eos"):
        token = header.metadata.get(f"tokenizer.ggml.{end}_token_id")
        known = isinstance(token, int) and 0 <= token < about["vocab_size"]
        about[f"{end}_token_id"] = token if known else None
    about |= _rope(header, about.pop("rope_theta", 10_000.0))
    name, class_name = _ARCHITECTURES[architecture]
    return {"model_type": name, "architectures": [f"{class_name}ForCausalLM"], **about}


def _number(header: Header, key: str) -> int | float | None:
    """A number below the architecture's name, within reason; None where it is not there. Raises GgufError."""
    value = header.of_architecture(key)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        if int(key in _MOST) <= value <= _MOST.get(key, _LARGEST):
            return value
    elif isinstance(value, float) and 0 <= value < math.inf and key not in _MOST:
        return float(f"{value:.7g}")  # a float32 of 1e-5 would be another number in float64
    raise GgufError(f"its header is damaged: {header.architecture}.{key} is {str(value)[:40]}")


def _places(architecture: str) -> Mapping[str, str | None]:
    """The configuration's name for each key below the architecture's."""
    if architecture in OWN:
        return OWN[architecture]
    from transformers.modeling_gguf_pytorch_utils import GGUF_TO_TRANSFORMERS_MAPPING

    found: dict[str, str | None] = GGUF_TO_TRANSFORMERS_MAPPING["config"].get(architecture, GEMMA)
    return found


def _rope(header: Header, base: float) -> dict[str, Any]:
    kind = header.of_architecture("rope.scaling.type")
    factor = _number(header, "rope.scaling.factor")
    parameters: dict[str, Any] = {"rope_type": "default", "rope_theta": base}
    if kind in {"linear", "yarn"} and factor:
        parameters |= {"rope_type": kind, "factor": factor}
        original = _number(header, "rope.scaling.original_context_length")
        if kind == "yarn" and original:
            parameters["original_max_position_embeddings"] = original
    return {"rope_parameters": parameters}


def _rows(header: Header) -> int:
    embeddings = header.tensors.get("token_embd.weight")
    if embeddings is None:
        raise GgufError("it has no tensor token_embd.weight")
    if len(embeddings.shape) != 2 or embeddings.shape[1] != header.of_architecture("embedding_length"):
        raise GgufError(f"its header is damaged: token_embd.weight has the shape {embeddings.shape}")
    if len(names(header)) > embeddings.shape[0]:
        raise GgufError("its tokenizer has more entries than the model")
    return embeddings.shape[0]


def _tied(header: Header) -> bool:
    """Whether the output head is the embedding matrix. A file may contain it twice, in two precisions."""
    head, embeddings = header.tensors.get("output.weight"), header.tensors["token_embd.weight"]
    if head is None:
        return True
    if head.shape != embeddings.shape:
        return False
    data = np.memmap(header.path, np.uint8, mode="r")
    rows = slice(0, min(512, head.shape[0]))
    first, second = values_of(data, head, rows), values_of(data, embeddings, rows)
    return bool(np.linalg.norm(first - second) < _SAME * np.linalg.norm(first))
