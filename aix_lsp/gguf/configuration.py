"""Derives transformers' configuration of the model in a GGUF file from its header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from aix_lsp.gguf.header import GgufError, Header
from aix_lsp.gguf.tensors import values_of
from aix_lsp.gguf.tokenizer import names

_SAME = 0.15  # relative difference of two quantisations of one matrix

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


def configuration(header: Header) -> dict[str, Any]:
    """transformers' configuration of the model. Raises GgufError if the model cannot run here."""
    architecture = header.architecture
    if architecture not in _ARCHITECTURES:
        raise GgufError(f"its architecture ({architecture or 'unnamed'}) cannot be run here")
    if int(header.metadata.get("split.count") or 1) > 1:
        raise GgufError("it is one of several parts; merge them with `llama-gguf-split --merge`")
    about: dict[str, Any] = {}
    for key, place in _places(architecture).items():
        if place and (value := header.of_architecture(key)) is not None:
            # The float32 nearest to 1e-5 is another number in float64.
            about[place] = float(f"{value:.7g}") if isinstance(value, float) else value
    for key in ("block_count", "embedding_length", "attention.head_count"):
        if header.of_architecture(key) is None:
            raise GgufError(f"its header has no {architecture}.{key}")
    for key in ("attention.key_length", "rope.dimension_count"):
        if architecture in {"llama", "mistral", "qwen3"} and (width := header.of_architecture(key)):
            about.setdefault("head_dim", width)
    about["vocab_size"] = _rows(header)
    about["tie_word_embeddings"] = _tied(header)
    about["bos_token_id"] = header.metadata.get("tokenizer.ggml.bos_token_id")
    about["eos_token_id"] = header.metadata.get("tokenizer.ggml.eos_token_id")
    about |= _rope(header, about.pop("rope_theta", 10_000.0))
    name, class_name = _ARCHITECTURES[architecture]
    return {"model_type": name, "architectures": [f"{class_name}ForCausalLM"], **about}


def _places(architecture: str) -> Mapping[str, str | None]:
    """The configuration's name for each key below the architecture's."""
    if architecture in OWN:
        return OWN[architecture]
    from transformers.modeling_gguf_pytorch_utils import GGUF_TO_TRANSFORMERS_MAPPING

    found: dict[str, str | None] = GGUF_TO_TRANSFORMERS_MAPPING["config"].get(architecture, GEMMA)
    return found


def _rope(header: Header, base: float) -> dict[str, Any]:
    kind = header.of_architecture("rope.scaling.type")
    factor = header.of_architecture("rope.scaling.factor")
    parameters: dict[str, Any] = {"rope_type": "default", "rope_theta": base}
    if kind in {"linear", "yarn"} and factor:
        parameters |= {"rope_type": kind, "factor": factor}
        original = header.of_architecture("rope.scaling.original_context_length")
        if kind == "yarn" and original:
            parameters["original_max_position_embeddings"] = original
    return {"rope_parameters": parameters}


def _rows(header: Header) -> int:
    embeddings = header.tensors.get("token_embd.weight")
    if embeddings is None:
        raise GgufError("it has no tensor token_embd.weight")
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
