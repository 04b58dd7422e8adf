"""Tiny random models of many families, for tests of the runner against transformers itself."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from aix_lsp.engine.model.assemble import assemble_lean, assemble_paged
from aix_lsp.engine.model.assembled import Assembled
from aix_lsp.engine.model.precision import choose
from aix_lsp.engine.model.quantised import RunSettings

VOCAB = 211

_BASE: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 256,
    # Large, so that attention matters to the logits and ties are rare.
    "initializer_range": 0.15,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_WINDOWS = {
    "sliding_window": 6,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
}
_EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 48}
_GPT2 = {
    "vocab_size": VOCAB,
    "n_embd": 64,
    "n_layer": 3,
    "n_head": 4,
    "n_positions": 256,
    "n_inner": 96,
    "initializer_range": 0.15,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_MLA = {
    "q_lora_rank": 24,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 12,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "n_group": 2,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "num_key_value_heads": 4,
    "head_dim": 8,
}

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", _BASE),
    "llama3-rope": (
        "llama",
        _BASE
        | {
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 1e4,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            }
        },
    ),
    "qwen2": ("qwen2", _BASE),
    "qwen2-window": ("qwen2", _BASE | _WINDOWS | {"use_sliding_window": True}),
    "qwen3": ("qwen3", _BASE),
    "qwen3_moe": ("qwen3_moe", _BASE | _EXPERTS),
    "mistral-window": ("mistral", _BASE | {"sliding_window": 6}),
    "ministral": ("ministral", _BASE | _WINDOWS),
    "mixtral": ("mixtral", _BASE | _EXPERTS | {"sliding_window": None}),
    "starcoder2": ("starcoder2", _BASE | {"sliding_window": 6}),
    "gpt_bigcode": ("gpt_bigcode", _GPT2 | {"multi_query": True}),
    "gemma": ("gemma", _BASE),
    "gemma2": ("gemma2", _BASE | _WINDOWS | {"attn_logit_softcapping": 2.0, "query_pre_attn_scalar": 16}),
    "gemma3": ("gemma3_text", _BASE | _WINDOWS),
    "deepseek_v2": ("deepseek_v2", _BASE | _EXPERTS | _MLA),
    "deepseek_v3": ("deepseek_v3", _BASE | _EXPERTS | _MLA),
    "phi": ("phi", _BASE),
    "phi3": ("phi3", _BASE | {"sliding_window": 6}),
    "gpt_oss": ("gpt_oss", _BASE | _EXPERTS | _WINDOWS),
    "granite": (
        "granite",
        _BASE
        | {
            "embedding_multiplier": 1.5,
            "residual_multiplier": 0.6,
            "logits_scaling": 2.0,
            "attention_multiplier": 0.2,
        },
    ),
    "gpt2": ("gpt2", _GPT2),
    "gpt_neox": ("gpt_neox", _BASE),
    "stablelm": ("stablelm", _BASE),
    "cohere": ("cohere", _BASE),
    "olmo2": ("olmo2", _BASE),
    "glm4": ("glm4", _BASE),
    "smollm3": ("smollm3", _BASE | {"no_rope_layers": [1, 0, 1]}),
    "seed_oss": ("seed_oss", _BASE | {"attention_bias": True}),
    "exaone4": ("exaone4", _BASE | _WINDOWS | {"sliding_window_pattern": "LGL"}),
    "ernie4_5": ("ernie4_5", _BASE),
}
"""Name of a case → (model type, configuration)."""

LEAN = (
    "llama",
    "llama3-rope",
    "qwen2",
    "qwen2-window",
    "qwen3",
    "mistral-window",
    "ministral",
    "gemma",
    "granite",
    "smollm3",
    "seed_oss",
)
"""Cases that the lean path runs."""

RECOMPUTED: dict[str, tuple[str, dict[str, Any]]] = {
    "bloom": ("bloom", {**_GPT2, "hidden_size": 64, "n_layer": 3, "n_head": 4}),
    "gptj": ("gptj", _GPT2 | {"rotary_dim": 8}),
    "codegen": ("codegen", _GPT2 | {"rotary_dim": 8}),
    "falcon": (
        "falcon",
        {key: value for key, value in _BASE.items() if key != "head_dim"}
        | {"ffn_hidden_size": 96, "multi_query": True},
    ),
    "mamba": ("mamba", {"vocab_size": VOCAB, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8}),
}
"""Families that only the recomputing path runs."""


def build(case: str, seed: int = 0) -> Any:
    """A tiny random model in float32. Norms are random too, so that a forgotten one is noticed."""
    kind, options = {**FAMILIES, **RECOMPUTED}[case]
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **options)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                offset = 0.0 if parameter.abs().max() == 0 else 1.0
                parameter.copy_(torch.randn_like(parameter) * 0.2 + offset)
            if "sinks" in name:
                parameter.mul_(3.0)
    return model


def assemble(model: Any, dtype: str, positions: int, lean: bool) -> Assembled:
    """The model on the CPU, in our own layer loop if `lean`, otherwise in transformers'."""
    cpu = torch.device("cpu")
    wanted = RunSettings(dtype, choose(dtype, cpu, 0), cpu, positions)
    return assemble_lean(model, wanted) if lean else assemble_paged(model, wanted)
